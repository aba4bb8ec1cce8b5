"""The page in a real browser, over the real demo: quiet console, loopback only, everything moves."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.browser.chrome import Page, chromium, find_chromium

pytestmark = [pytest.mark.slow, pytest.mark.alone]

TABS = {
    "line": "#live-line .machine",
    "alerts": "main[data-view=alerts] h1",
    "whatif": "#ask",
    "schedule": "#gantt .order",
    "components": "#component-grid tbody tr",
    "twin": "#calibration tbody tr",
    "system": ".steps li",
}
TOLD_TO_WAIT = "status of 503"  # what Chromium logs while a document is computed for the first time


@pytest.fixture(scope="module")
def page(demo_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium on this machine (Debian package: chromium)")
    with chromium(executable, tmp_path_factory.mktemp("profile")) as page:
        page.size(1280, 900)
        page.open(demo_url)
        page.wait_for("document.querySelectorAll('#live-line .machine').length > 1", 90)
        yield page


@pytest.fixture(autouse=True)
def _quiet(page: Page) -> Iterator[None]:
    yield
    page.listen(0.2)
    assert [c for c in page.complaints if TOLD_TO_WAIT not in c] == []
    hosts = {urlsplit(url).hostname for url in page.urls if url.startswith(("http", "ws"))}
    assert hosts <= {"127.0.0.1", "localhost"}


def text_of(page: Page, selector: str) -> str:
    return str(page.evaluate(f"document.querySelector({selector!r}).textContent"))


def go(page: Page, tab: str) -> None:
    page.evaluate(f"void (location.hash = '#{tab}')")


def test_the_live_line_moves(page: Page) -> None:
    go(page, "line")
    page.wait_for("document.querySelector('#live-line svg') !== null")
    before = text_of(page, "#live-line")
    page.listen(5)  # the criterion: two looks five seconds apart
    assert text_of(page, "#live-line") != before


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["wide", "narrow"])
def test_every_view_draws_itself(page: Page, tab: str, size: tuple[int, int]) -> None:
    page.size(*size)
    go(page, tab)
    page.wait_for(f"document.querySelector({TABS[tab]!r}) !== null", 60)
    assert page.evaluate("document.querySelector('[aria-current=page]').hash") == f"#{tab}"
    # A chart takes the new width when the browser has told it.
    page.wait_for("document.documentElement.scrollWidth <= innerWidth", 10)


def test_both_themes_can_be_chosen(page: Page) -> None:
    themes = []
    for _ in range(2):
        page.evaluate("document.querySelector('.topbar button').click()")
        themes.append(page.evaluate("document.documentElement.dataset.theme"))
    assert set(themes) == {"light", "dark"}


def test_a_machine_opens_from_the_keyboard(page: Page) -> None:
    page.size(1280, 900)
    go(page, "line")
    page.wait_for("document.querySelector('#live-line .machine') !== null")
    page.evaluate(
        "document.querySelector('#live-line .machine')"
        ".dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))"
    )
    page.wait_for("document.querySelector('#machine .trend canvas') !== null")
    assert page.evaluate("document.querySelectorAll('#machine .signals tbody tr').length") > 3


def test_the_line_says_what_needs_attention_and_flags_its_bottleneck(page: Page) -> None:
    go(page, "line")
    page.wait_for("document.querySelector('.attention .bottleneck strong') !== null", 60)
    named = text_of(page, ".attention .bottleneck strong")
    label = page.wait_for(
        "document.querySelector('.machine:has(.neck)')?.getAttribute('aria-label')", 60
    )
    assert label.startswith(f"{named}:")


def fill(page: Page, selector: str, value: str) -> None:
    page.evaluate(
        f"(() => {{ const field = document.querySelector({selector!r}); field.value = {value!r};"
        " field.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


def test_a_what_if_outside_the_limits_is_not_asked(page: Page) -> None:
    go(page, "whatif")
    page.wait_for("document.querySelector('#ask') !== null")
    fill(page, ".change input", "1000")
    page.wait_for("document.querySelector('.change-now.problem') !== null")
    assert "outside what is allowed" in text_of(page, ".change-now")
    page.wait_for("!document.querySelector('.question').checkValidity()")
    fill(page, ".change input", "3")
    page.wait_for("document.querySelector('.question').checkValidity()")


def test_a_what_if_is_answered(page: Page) -> None:
    go(page, "whatif")
    page.wait_for("document.querySelector('#ask') !== null")
    page.evaluate("document.querySelector('#ask').click()")
    page.wait_for("document.querySelectorAll('#whatif-result tbody tr').length > 3", 120)
    verdicts = page.evaluate(
        "[...document.querySelectorAll('#whatif-result .verdict')].map(v => v.textContent)"
    )
    assert text_of(page, "#whatif-verdict strong").endswith(".")
    assert all(v.endswith(("better", "worse", "changed", "no clear change")) for v in verdicts)


def ask_briefly(page: Page, kind: str) -> None:
    """Two replications of one hour of the question that is in the form."""
    go(page, "whatif")
    page.wait_for("document.querySelector('[data-kind]') !== null")
    page.evaluate(f"document.querySelector('[data-kind={kind}]').click()")
    page.wait_for(f"document.querySelector('[data-kind={kind}][aria-pressed=true]') !== null")
    page.wait_for("document.querySelector('#ask') !== null")
    for place, value in ((1, "1"), (2, "2")):
        fill(page, f".settings label:nth-child({place}) input", value)
        page.listen(0.2)
    page.evaluate("document.querySelector('#ask').click()")


def test_many_values_give_a_curve_a_table_and_a_file(page: Page) -> None:
    ask_briefly(page, "sweep")
    page.wait_for("document.querySelector('.sweep-chart circle') !== null", 120)
    rows = page.evaluate("document.querySelectorAll('#sweep-result tbody tr').length")
    assert rows == page.evaluate("document.querySelectorAll('.sweep-chart circle').length") > 1
    link = "a.download[href^='/api/v1/sweeps/']"
    text = page.evaluate(f'fetch(document.querySelector("{link}").href).then((a) => a.text())')
    assert len(text.splitlines()) == rows + 1


def test_the_bottleneck_is_named_with_its_shares_and_what_would_help(page: Page) -> None:
    ask_briefly(page, "bottleneck")
    page.wait_for("document.querySelector('#critical-path li') !== null", 240)
    assert "ottleneck is" in text_of(page, "#bottleneck-verdict strong")
    shares = page.evaluate(
        "[...document.querySelectorAll('#critical-path li > .num')].map((n) => parseFloat(n.textContent))"
    )
    assert sum(shares) == pytest.approx(100, abs=2)
    assert shares == sorted(shares, reverse=True)
    assert page.evaluate("document.querySelectorAll('#sensitivities tbody tr').length") == 12
    assert "Engine: " in text_of(page, ".engine")
    page.evaluate("document.querySelector('[data-kind=whatif]').click()")


def test_nothing_is_said_by_colour_alone(page: Page) -> None:
    go(page, "line")
    page.wait_for("document.querySelector('#live-line .machine') !== null")
    labels = page.evaluate(
        "[...document.querySelectorAll('#live-line .machine')].map(m => m.getAttribute('aria-label'))"
    )
    states = page.evaluate(
        "[...document.querySelectorAll('#live-line .machine .state')].map(t => t.textContent)"
    )
    assert len(labels) == len(states) > 1
    assert all(state and state in label for state, label in zip(states, labels, strict=True))


@pytest.mark.parametrize(
    ("tab", "table"),
    [("schedule", "schedule"), ("components", "proposals"), ("components", "demand")],
)
def test_what_planners_see_can_be_downloaded(page: Page, tab: str, table: str) -> None:
    go(page, tab)
    link = f"a.download[href='/api/v1/{table}.csv']"
    page.wait_for(f'document.querySelector("{link}") !== null', 60)
    text = page.evaluate(f'fetch(document.querySelector("{link}").href).then((a) => a.text())')
    assert len(text.splitlines()) > 1


def test_a_decision_is_told_and_stays(page: Page) -> None:
    go(page, "components")
    page.wait_for("document.querySelector('.proposal .primary') !== null", 60)
    item = text_of(page, ".proposal strong")
    page.evaluate("document.querySelector('.proposal .primary').click()")
    page.wait_for("document.querySelector('.decision') !== null")
    assert "cannot be taken back" in text_of(page, ".decision .note")
    fill(page, ".decision input", "Jo Planner")
    page.evaluate("document.querySelector('.decision .primary').click()")
    page.wait_for("document.querySelector('.done-note') !== null")
    assert f"{item} approved by Jo Planner" in text_of(page, ".done-note")
    go(page, "system")
    page.wait_for("document.querySelector('.ledger')?.textContent.includes('Jo Planner')")
