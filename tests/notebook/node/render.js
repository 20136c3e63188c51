// Reads lines of JSON, each a text; writes a line of JSON for each: HTML by the converter's name.
// All precautions of the converters are switched off.
import { createInterface } from "node:readline";
import vscodeMath from "@vscode/markdown-it-katex";
import MarkdownIt from "markdown-it";
import abbr from "markdown-it-abbr";
import attrs from "markdown-it-attrs";
import container from "markdown-it-container";
import deflist from "markdown-it-deflist";
import footnote from "markdown-it-footnote";
import frontMatter from "markdown-it-front-matter";
import taskLists from "markdown-it-task-lists";
import texmath from "markdown-it-texmath";
import { Marked } from "marked";
import { gfmHeadingId } from "marked-gfm-heading-id";
import { mangle } from "marked-mangle";
import { removeMath, replaceMath } from "./node_modules/@jupyterlab/rendermime/lib/latex.js";

const marked = new Marked({ gfm: true });
const lab = new Marked({ gfm: true }, gfmHeadingId(), mangle());

function markdownIt() {
  const parser = new MarkdownIt({ html: true, linkify: true });
  parser.validateLink = () => true;
  return parser;
}

const escaped = (tex) => tex.replace(/&/g, "&amp;").replace(/</g, "&lt;");
// The options of VS Code's outputs: links by their scheme only, the name of a block's language as
// an attribute, and its own plugin for formulas, with all that this can be told to read.
const vscode = markdownIt()
  .use(vscodeMath.default, {
    globalGroup: true,
    enableBareBlocks: true,
    enableFencedBlocks: true,
    katex: { renderToString: escaped },
  })
  .set({
    highlight(text, language) {
      const { escapeHtml } = vscode.utils;
      return `<div title="${escapeHtml(language)}">${escapeHtml(text)}</div>`;
    },
  });
vscode.linkify.set({ fuzzyLink: false });
const tasks = markdownIt().use(taskLists);
const everything = markdownIt()
  .use(frontMatter, () => {})
  .use(deflist)
  .use(footnote)
  .use(abbr)
  .use(container, "any", { validate: () => true })
  .use(taskLists)
  .use(texmath, { engine: { renderToString: escaped }, delimiters: ["dollars", "brackets"] })
  .use(attrs);

// The code from JupyterLab asks which browser it is in.
globalThis.navigator ??= { appName: "" };

const converters = {
  jupyterlab(text) {
    const parts = removeMath(text);
    return replaceMath(lab.parse(parts.text), parts.math);
  },
  marked: (text) => marked.parse(text),
  "VS Code": (text) => vscode.render(text),
  "markdown-it": (text) => tasks.render(text),
  "markdown-it with plugins": (text) => everything.render(text),
};

for await (const line of createInterface({ input: process.stdin })) {
  const text = JSON.parse(line);
  const html = Object.entries(converters).map(([name, render]) => [name, render(text)]);
  process.stdout.write(JSON.stringify(Object.fromEntries(html)) + "\n");
}
