"""Random mixtures of all that begins something in Markdown, and of what must not run."""

from attacks import ATTACKS

#: What begins something at the start of a line, or continues it.
STARTS = [
    ": ",
    ":   ",
    ":\t",
    "~ ",
    "::: note",
    ":::",
    ":::{image} x",
    ":class: a",
    "- ",
    "* ",
    "> ",
]
STARTS += ["1. ", "1) ", "# ", "| ", "    ", "   ", "  ", " ", "\t", "[^1]: ", "*[x]: ", "[r]: "]
STARTS += [
    "!!! note",
    "??? note",
    "/// html | img",
    "+++",
    "---",
    "===",
    "--- ",
    "% ",
    "(a)=",
    ".. ",
]
STARTS += [
    ".. image:: x",
    "- [ ] ",
    "```",
    "~~~",
    "````",
    "```mermaid",
    "```{note}",
    "$$",
    "\\begin{a}",
]
STARTS += [
    "\\end{a}",
    "\\[",
    "\\]",
    "|-|-|",
    "> [!NOTE]",
    "{#a onclick=alert(1)}",
    "```html",
    "%%%",
]
#: What stands in a line.
WORDS = (
    "` `` $ $$ \" ' \\ \\\\ \\( \\) \\[ \\] > < [r] [r]: ( ) [ ] ! ![ ]( : ~ <b <!-- --> <?".split()
)
WORDS += (
    "<![CDATA[ <pre> </pre> <br> <sub> ** _ &lt; & x é @@0@@ { } | 1 www.x.y https://a.b/".split()
)
WORDS += ["{onclick=alert(1)}", "[x](https://a.b)", "`a`", "$a$", "[^1]", "^[a]", "{{x}}", "@[x]("]
WORDS += ["HTML", "Term", "`<i>`", "[x]{onclick=alert(1)}", "==", "{%", ":smile:", "%", "^", "%["]
BREAKS = [
    "\n",
    "\n",
    "\n",
    "\n\n",
    "\n\n",
    "\n\n\n",
    "\r",
    "\r\n",
    "\\\n",
    "\u2028",
    "  \n",
    "\n \n",
]


def mixture(chance):
    """A text of up to about thirty parts."""
    text = ""
    for _ in range(chance.randint(1, 10)):
        kind = chance.random()
        text += "".join(chance.choice(STARTS) for _ in range(chance.choice([0, 0, 1, 1, 2])))
        if kind < 0.3:
            text += _code(chance)
        elif kind < 0.6:
            text += chance.choice(ATTACKS)
        else:
            text += chance.choice(["", " "]).join(
                chance.choice(WORDS) for _ in range(chance.randint(0, 6))
            )
        text += chance.choice(BREAKS)
    return text


def _code(chance):
    """A block of code, of which each line may begin something."""
    indent = chance.choice(["", "", "", " ", "  ", "   ", "    ", "\t"])
    fence = chance.choice(["```", "```", "~~~", "````"])
    lines = [fence + chance.choice(["", "", "html", "mermaid", "python x", "{note}"])]
    for _ in range(chance.randint(0, 4)):
        start = chance.choice(["", *STARTS])
        lines.append(start + chance.choice(["", *ATTACKS, *WORDS]))
    if chance.random() < 0.9:
        lines.append(fence)
    return "\n" + "\n".join(indent + line for line in lines) + "\n"
