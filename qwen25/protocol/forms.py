"""The forms of modelscope_studio: one input of a function with several fields; pure.

Their fields are components of their own, each after an item that has its label and its key.
"""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence

from .config import Component
from .plan import Slot

#: Ant Design's controls, as the components of Gradio that take the same values.
_CONTROLS = {
    "antdselect": "dropdown",
    "antdradiogroup": "radio",
    "antdinput": "textbox",
    "antdinputtextarea": "textbox",
    "antdslider": "slider",
    "antdinputnumber": "number",
    "antdswitch": "checkbox",
    "antdcheckbox": "checkbox",
}


def form_fields(components: Sequence[Component]) -> Dict[int, List[Slot]]:
    """The fields of each form on a page, by the form's id."""
    fields: Dict[int, List[Slot]] = {}
    form: Optional[Component] = None
    item: Optional[Component] = None
    for component in components:
        if component.type == "antdform":
            form, item = component, None
            fields[form.id] = []
        elif component.type == "antdformitem":
            item = component
        elif form is not None and item is not None and component.type in _CONTROLS:
            key, values = item.props.get("form_name"), form.value
            if isinstance(key, str) and isinstance(values, dict) and key in values:
                control = _control(component, item.label or key, values[key])
                fields[form.id].append(Slot(control, "option", key=key))
            item = None
    return fields


def _control(component: Component, label: str, value: object) -> Component:
    """The control as the component of Gradio that takes the same values."""
    options = component.props.get("options")
    choices = [
        option.get("value") if isinstance(option, dict) else option
        for option in (options if isinstance(options, list) else ())
    ]
    props = {
        "label": label,
        "value": value,
        "choices": choices,
        "minimum": component.props.get("min"),
        "maximum": component.props.get("max"),
    }
    return component._replace(type=_CONTROLS[component.type], props=props)
