"""README's picture: what a terminal shows, as SVG.

    FORCE_COLOR=3 COLUMNS=110 npx tokenlense attribute "The capital of France is" --max-new-tokens 8 --no-save |
      <python of `npm run bench -- --setup`> bench/picture.py > bench/heat-map.svg
"""

import io
import re
import sys

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

lines = sys.stdin.read().rstrip("\n")
text = Text.from_ansi(lines)
width = max(len(line) for line in text.plain.split("\n"))
console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
console.print(text, soft_wrap=True)
svg = console.export_svg(title="tokenlense attribute", theme=MONOKAI, unique_id="heat-map")
# A picture in a README fetches nothing: no web font.
svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S)
# A token's first space is part of it; some viewers drop it otherwise.
sys.stdout.write(svg.replace("<svg ", '<svg xml:space="preserve" ', 1))
