"""Result records become something to read: one HTML file, or Markdown for a pull request.

    format.py      numbers → text, for every kind of table
    entries.py     a design with its row and its runs
    columns.py     the table of designs: one literal list of columns and their definitions
    conditions.py  under what conditions the figures came about
    scales.py      what all charts share: colours, symbols, axes
    charts.py      records → Altair charts
    figures.py     charts with their words and their numbers
    html.py        render_html, with page.html and page.js
    markdown.py    render_markdown

Only `convblocks.records` goes in. Nothing is imported here, so that the Markdown costs no Altair.
"""
