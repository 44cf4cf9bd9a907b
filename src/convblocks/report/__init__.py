"""Records as something to read: one HTML file, or Markdown for a pull request.

    entries.py     a design with its row and its runs, in the order of the table
    columns.py     the table of designs: one literal list of columns and their definitions
    conditions.py  under what conditions the figures came about
    scales.py      what all charts share: colours, symbols, axes
    charts.py      records → Altair charts
    label_layout.py  places of names in a chart
    curves.py      charts over epochs and layers
    figures.py     charts with their text and their numbers
    page.py        a page in one file: base.html with page.css and page.js
    html.py        render_html, with study.html
    markdown.py    render_markdown
    outline_svg.py   a block or network, drawn as SVG or text

    totals.py         an analysis as a whole, as sentences
    layer_columns.py  the table of layers
    layer_figures.py  cost and receptive field along depth
    field_drawing.py  receptive fields over an image
    analysis_html.py  render_analysis, with analysis.html

Only `convblocks.records` goes in. Nothing is imported here, so that the Markdown costs no Altair.
"""
