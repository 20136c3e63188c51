"""Answers in a real kernel: what a notebook shows of them, and when."""

from datetime import timedelta
from statistics import median

import pytest

from qwen25.events import Note, Queued
from qwen25.testing import Delay, Fail, FakeSpace, Gate, Hang, Replace

HINT = "See: %qwen?"
NO_OPTION = f"is not an option of %qwen, or its value is missing. {HINT}"


def asking(space, prompt="Hi"):
    """A cell whose last line is a `Stream`."""
    return f"import qwen25; qwen25.Client({space.url!r}).stream({prompt!r})"


def loading(space):
    """A cell that loads the magics again, for this Space."""
    return f"import os; os.environ['QWEN25_SPACE'] = {space.url!r}\n%reload_ext qwen25"


def prompts(space):
    return [request.json["data"][0] for request in space.requests if request.path.endswith("join")]


def test_a_stream_is_shown_while_it_is_written_and_stays(kernel):
    gate = Gate()
    with FakeSpace(["# Hel", gate, "lo *you*"]) as space:
        cell = kernel.start(asking(space))
        cell.until(lambda cell: cell.displays and cell.text == "# Hel")
        gate.set()
        assert cell.result()["status"] == "ok"
    (content,) = cell.displays.values()
    assert content == {"text/markdown": "# Hello *you*", "text/plain": "# Hello *you*"}
    assert cell.printed == ""


def test_an_answer_needs_no_more_of_a_front_end_than_the_docs_say(kernel):
    """The table in docs/notebooks.md: two types of content, and updates by a `display_id`."""
    gate = Gate()
    with FakeSpace(["Hel", gate, "lo"]) as space:
        cell = kernel.start(asking(space))
        cell.until(lambda cell: cell.displays and cell.text == "Hel")
        gate.set()
        cell.result()
    assert cell.kinds - {"status", "execute_input"} == {"display_data", "update_display_data"}
    assert {frozenset(content) for _, content in cell.updates} == {
        frozenset({"text/markdown", "text/plain"})
    }
    (name,) = cell.displays
    assert isinstance(name, str)


def test_what_came_is_shown_also_when_nothing_comes_after_it(kernel):
    """Two pieces at once, of which the second is too soon for an update of its own."""
    gate = Gate()
    with FakeSpace(["Hel", "lo", gate]) as space:
        cell = kernel.start(asking(space))
        cell.until(lambda cell: cell.displays and cell.text == "Hello")
        gate.set()
        cell.result()


def test_there_are_at_most_12_updates_in_any_second_and_the_last_is_complete(kernel):
    pieces = [f"{number} " for number in range(600)]
    script = [step for piece in pieces for step in (piece, Delay(0.004))]
    with FakeSpace(script) as space:
        cell = kernel.run(asking(space))
    assert cell.text == "".join(pieces)
    times = [when for when, content in cell.updates]
    seconds = (times[-1] - times[0]).total_seconds()
    gaps = [(after - before).total_seconds() for before, after in zip(times, times[1:])]
    # The median: a machine that stops for a while makes one long gap.
    assert seconds > 2 and median(gaps) < 1 / 6
    for start in times:
        assert sum(start <= when < start + timedelta(seconds=1) for when in times) <= 12


def test_an_interrupt_stops_the_space_and_keeps_what_came(kernel):
    with FakeSpace(["Half of", Hang()]) as space:
        cell = kernel.start(asking(space))
        cell.until(lambda cell: cell.displays and cell.text == "Half of")
        kernel.interrupt()
        reply = cell.result()
        space.wait_for(lambda: space.left == 1)
    assert reply["status"] == "error" and reply["ename"] == "KeyboardInterrupt"
    assert cell.text == "Half of"
    (error,) = cell.errors
    assert error["traceback"] == ["KeyboardInterrupt: The answer was stopped; what came is kept."]


def test_an_interrupt_before_the_first_word_stops_the_space(kernel):
    with FakeSpace([Queued(3, 7, 60.0), Hang()]) as space:
        cell = kernel.start(asking(space))
        cell.until(lambda cell: cell.displays)
        kernel.interrupt()
        assert cell.result()["ename"] == "KeyboardInterrupt"
        space.wait_for(lambda: space.left == 1)
    assert cell.text == ""


def test_an_error_leaves_the_text_and_says_the_next_step(kernel):
    with FakeSpace(["Half of", Fail("No more memory.")]) as space:
        cell = kernel.start(asking(space))
        cell.result()
    assert cell.text == "Half of"
    (error,) = cell.errors
    (line,) = error["traceback"]
    assert line.startswith("GenerationError: ") and "No more memory." in line
    assert "`partial` holds what came" in line


def test_a_cell_whose_answer_failed_has_failed(kernel):
    """Run All ends there, as at any other error; nothing is shown as the cell's result."""
    with FakeSpace([Fail()]) as space:
        cell = kernel.start(asking(space))
        assert cell.result()["status"] == "error"
    assert "result" not in cell.displays


def test_the_error_of_a_failed_answer_can_be_looked_at(kernel):
    with FakeSpace(["Half", Fail("No more memory.")]) as space:
        kernel.start(asking(space)).result()
        cell = kernel.run(
            "import sys; error = sys.last_value.__cause__; print(repr(error.partial))"
        )
    assert cell.printed == "'Half'\n"


def test_the_place_in_the_queue_is_shown_until_text_comes(kernel):
    first, second = Gate(), Gate()
    script = [Queued(3, 7, 60.0), first, Note("info", "Soon."), second, "Hello"]
    with FakeSpace(script) as space:
        cell = kernel.start(asking(space))
        cell.until(
            lambda cell: cell.displays
            and cell.text == "*In the queue: place 4 of 7, about 60 s to wait*"
        )
        first.set()
        cell.until(lambda cell: cell.text == "*Soon.*")
        second.set()
        cell.result()
    assert cell.text == "Hello"


def test_odd_events_and_lone_surrogates_are_shown(kernel):
    code = """if True:
        from qwen25 import Note, Progress, Queued, Started, Step, Text
        from qwen25.notebook import show
        class Answer:
            text, rewritten = "", False
            def events(self):
                yield from [Queued(10**5000, None), Started(10**5000), Note("info", "a\\ud800\\nb")]
                yield from [Progress((Step(desc=[10**5000]),)), Text("c\\ud800")]
            def __enter__(self): return self
            def __exit__(self, *_): pass
        show(Answer())
    """
    cell = kernel.run(code)
    assert cell.text == "c\ufffd" and not cell.errors


def test_an_answer_that_is_rewritten_is_shown_right(kernel):
    with FakeSpace(["Lyon", Replace("Paris is it"), "."]) as space:
        assert kernel.run(asking(space)).text == "Paris is it."


def test_a_stream_that_was_read_is_shown_whole_again(kernel):
    with FakeSpace(["Hello", " world"]) as space:
        kernel.run(f"import qwen25; s = qwen25.Client({space.url!r}).stream('Hi'); next(s)")
        assert kernel.run("s").text == "Hello world"
        assert kernel.run("s").text == "Hello world"


def test_show_shows_in_the_middle_of_a_cell_and_its_error_can_be_caught(kernel):
    with FakeSpace(["Hello"], first=[["Half", Fail()]]) as space:
        cell = kernel.run(
            "import qwen25\nfrom qwen25.notebook import show\n"
            f"client = qwen25.Client({space.url!r})\n"
            "try: show(client.stream('Hi'))\n"
            "except qwen25.GenerationError as error: print(error.partial)\n"
            "show(client.stream('Hi'))\nNone"
        )
    assert [content["text/markdown"] for content in cell.displays.values()] == ["Half", "Hello"]
    assert cell.printed == "Half\n"


def test_on_event_prints_into_the_cell(kernel):
    """The answer is read in the cell's own thread, where a print is the cell's."""
    with FakeSpace([Queued(3, 7), "Hello"]) as space:
        cell = kernel.run(
            f"import qwen25; qwen25.Client({space.url!r}).stream('Hi', on_event=print)"
        )
    assert "Queued(rank=3" in cell.printed and cell.text == "Hello"


def test_a_conversation_is_shown_as_a_transcript(kernel):
    with FakeSpace(["**Paris**\n```html\n<script>"]) as space:
        cell = kernel.run(
            f"import qwen25; client = qwen25.Client({space.url!r})\n"
            "talk = client.conversation(system='Be <b>brief')\n"
            "talk.send('Where?'); talk"
        )
    content = cell.displays["result"]
    assert content["text/markdown"] == (
        "**System**\n\nBe &#60;b>brief\n\n---\n\n**User**\n\nWhere?\n\n---\n\n"
        "**Assistant**\n\n**Paris**\n\n<pre><code>&#60;script&#62;</code></pre>"
    )
    assert content["text/plain"] == (
        "System: Be <b>brief\n\nUser: Where?\n\nAssistant: **Paris**\n```html\n<script>"
    )


def test_an_empty_conversation_says_so(kernel):
    cell = kernel.run("import qwen25; qwen25.Client('http://127.0.0.1:9').conversation()")
    assert cell.displays["result"]["text/markdown"] == "*Nothing was said yet.*"


class TestMagic:
    """`%qwen` and `%%qwen`."""

    def test_a_line_asks(self, kernel):
        with FakeSpace(["Hello"]) as space:
            kernel.run(loading(space))
            assert kernel.run('%qwen What\'s  "that"?').text == "Hello"
            assert prompts(space) == ['What\'s  "that"?']

    @pytest.mark.parametrize(
        "line", ["%qwen Where is Paris?", "if True:\n    %qwen Where is Paris?"]
    )
    def test_a_question_mark_asks_no_help_of_ipython(self, kernel, line):
        with FakeSpace(["There."]) as space:
            kernel.run(loading(space))
            assert kernel.run(line).text == "There."
            assert prompts(space) == ["Where is Paris?"]

    def test_the_text_of_other_magics_stays_as_it_is(self, kernel):
        with FakeSpace() as space:
            kernel.run(loading(space))
            kernel.run("%%writefile kept.txt\n%qwen Where?")
            assert kernel.run("print(open('kept.txt').read())").printed == "%qwen Where?\n\n"
            assert not prompts(space)

    def test_a_variable_in_a_line_is_filled_in(self, kernel):
        with FakeSpace(["There."]) as space:
            kernel.run(loading(space))
            kernel.run("town = 'Paris'\n%qwen Where is {town}?")
            kernel.run("%qwen Say $town twice")
            assert prompts(space) == ["Where is Paris?", "Say Paris twice"]

    def test_a_cell_asks_the_end_of_its_line_first(self, kernel):
        with FakeSpace(["Hello"]) as space:
            kernel.run(loading(space))
            kernel.run("%%qwen Translate:\nUn,\ndeux")
            kernel.run("%%qwen\nUn {deux} $trois")
            assert prompts(space) == ["Translate:\n\nUn,\ndeux", "Un {deux} $trois"]

    def test_m_and_s_choose_the_model_and_the_system_prompt(self, kernel):
        asked = []

        def answer(question):
            asked.append((question.size, question.system, question.prompt))
            return ["Hello"]

        with FakeSpace(answer) as space:
            kernel.run(loading(space))
            kernel.run("%qwen -m 7B -s 'You are brief.' Hi")
            kernel.run('%qwen -s"Short!" -m Coder-7B -- -m is what?')
        assert asked == [("7B", "You are brief.", "Hi"), ("Coder-7B", "Short!", "-m is what?")]

    def test_c_goes_on_with_the_last_conversation(self, kernel):
        histories = []

        def answer(question):
            histories.append((len(question.history), question.system))
            return ["Hello"]

        with FakeSpace(answer) as space:
            kernel.run(loading(space))
            kernel.run("%qwen -c -s Brief. Hi")
            kernel.run("%qwen -c And?")
            kernel.run("%%qwen -c\nAnd?")
            kernel.run("%qwen Anew")
        assert [length for length, system in histories] == [0, 2, 4, 0]
        assert {system for length, system in histories[:3]} == {"Brief."}

    def test_a_failed_answer_does_not_enter_the_conversation(self, kernel):
        lengths = []

        def answer(question):
            lengths.append(len(question.history))
            return [Fail("No.")] if question.prompt == "fail" else ["Hello"]

        with FakeSpace(answer) as space:
            kernel.run(loading(space))
            kernel.run("%qwen Hi")
            for line in ("%qwen fail", "%qwen -c fail"):
                cell = kernel.start(line)
                assert cell.result()["ename"] == "GenerationError"
                assert len(cell.errors[0]["traceback"]) == 1
            kernel.run("%qwen -c And?")
        assert lengths == [0, 0, 2, 2]

    def test_a_mistaken_model_is_not_remembered(self, kernel):
        with FakeSpace(["Hello"]) as space:
            kernel.run(loading(space))
            kernel.run("%qwen Hi")
            assert kernel.start("%qwen -c -m 8B And?").result()["ename"] == "UnknownModelError"
            assert kernel.run("%qwen -c And?").text == "Hello"

    def test_o_keeps_the_text(self, kernel):
        with FakeSpace(["**Hello** <b>"]) as space:
            kernel.run(loading(space))
            kernel.run("%qwen -o kept Hi")
        assert kernel.run("print(kept)").printed == "**Hello** <b>\n"

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("%qwen -x Hi", f"-x {NO_OPTION}"),
            ("%qwen -c -m", f"-m {NO_OPTION}"),
            ("%qwen --model 7B Hi", f"--model {NO_OPTION}"),
            ("%qwen -o 1x -- Hi", f"-o 1x is not a name for a variable. {HINT}"),
            ("%qwen", "empty"),
        ],
    )
    def test_a_mistake_is_shown_in_one_line(self, kernel, line, message):
        with FakeSpace(["Hello"]) as space:
            kernel.run(loading(space))
            cell = kernel.start(line)
            assert cell.result()["ename"] == "InvalidRequestError"
            assert not prompts(space)
        (line,) = cell.errors[0]["traceback"]
        assert message in line

    def test_an_interrupt_stops_it(self, kernel):
        with FakeSpace(["Half", Hang()]) as space:
            kernel.run(loading(space))
            cell = kernel.start("%qwen Hi")
            cell.until(lambda cell: cell.displays and cell.text == "Half")
            kernel.interrupt()
            assert cell.result()["ename"] == "KeyboardInterrupt"
            space.wait_for(lambda: space.left == 1)
        assert cell.text == "Half"

    def test_its_help_tells_the_options(self, kernel):
        with FakeSpace() as space:
            kernel.run(loading(space))
        cell = kernel.start("%qwen?")
        (page,) = cell.result()["payload"]
        for option in ("-m SIZE", "-s SYSTEM", "-c ", "-o NAME"):
            assert option in page["data"]["text/plain"]
