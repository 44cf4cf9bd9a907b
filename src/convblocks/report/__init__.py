"""Result records become something to read: one HTML file, or Markdown for a pull request.

    format.py      numbers → text, for every kind of table
    entries.py     a design with its row and its runs
    columns.py     the table of designs: one literal list of columns and their definitions
    conditions.py  under what conditions the figures came about
    scales.py      what all charts share: colours, symbols, axes
    charts.py      records → Altair charts
    figures.py     charts with their words and their numbers
    page.py        a page in one file: base.html with page.css and page.js
    html.py        render_html, with study.html
    markdown.py    render_markdown
    outline.py     a block or network, drawn as SVG or text

    totals.py         what an analysis says as a whole, in words
    layer_columns.py  the table of layers
    layer_figures.py  cost and receptive field along depth
    drawing.py        receptive fields over an image
    analysis_html.py  render_analysis, with analysis.html

Only `convblocks.records` goes in. Nothing is imported here, so that the Markdown costs no Altair.
"""
