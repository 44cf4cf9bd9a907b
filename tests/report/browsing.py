"""A page opened in a browser, for tests to look at."""

from contextlib import contextmanager


@contextmanager
def opened(browser, address: str, **options):
    """The page, once its charts are drawn; it must have said nothing and asked for nothing."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    page = context.new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else heard.append(r.url))
    try:
        page.goto(address)
        if options.get("java_script_enabled", True):
            page.wait_for_function(
                "[...document.querySelectorAll('.chart')].every(chart => chart.querySelector('svg'))"
            )
        yield page
        assert heard == []
    finally:
        context.close()
