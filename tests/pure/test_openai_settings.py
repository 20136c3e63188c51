"""Settings of OpenAI's requests find the inputs of a Space."""

import pytest

from qwen25.openai.settings import fit
from qwen25.protocol.inputs import Input


@pytest.mark.parametrize(
    "name, label",
    [
        ("temperature", "Temperature"),
        ("top_p", "Top-p (nucleus sampling)"),
        ("top_p", "top_p"),
        ("top_k", "Top K"),
        ("repetition_penalty", "Repetition penalty"),
        ("max_tokens", "Max new tokens"),
        ("max_tokens", "Maximum tokens"),
        ("seed", "Seed"),
    ],
)
def test_a_setting_finds_its_input(name, label):
    found = fit({name: 1}, [Input("Other", "slider", 0), Input(label, "slider", 0)])
    assert (found.inputs, found.kept, found.notes) == ({label: 1}, [name], [])


def test_a_setting_without_an_input_is_told():
    found = fit({"temperature": 1}, [Input("Temperature", "textbox", "")])
    assert (found.inputs, found.kept) == ({}, [])
    assert found.notes == ["temperature has no effect here."]


@pytest.mark.parametrize("value, fitting", [(0, 0.1), (3, 2.0)])
def test_a_value_out_of_bounds_is_brought_in_and_told(value, fitting):
    found = fit({"temperature": value}, [Input("Temperature", "slider", 1, 0.1, 2.0)])
    assert (found.inputs, found.kept) == ({"Temperature": fitting}, [])
    assert found.notes == [f"temperature is {fitting:g} here."]
