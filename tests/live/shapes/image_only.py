"""No chat at all: an image goes in, an image comes out."""

import gradio as gr

demo = gr.Interface(lambda image: image, gr.Image(), gr.Image())
