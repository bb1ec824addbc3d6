const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** For text and for attributes in double quotes, of HTML and XML. */
export function escapeMarkup(text: string): string {
  return text.replaceAll(/[&<>"]/g, (sign) => entities[sign] as string);
}

/** The beginning of a page by itself, up to its content; `policy` is its Content-Security-Policy, `title` is text. */
export function pageHead({ title, policy, style }: { title: string; policy: string; style: string }): string[] {
  return [
    "<!doctype html>",
    '<html lang="en">',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${escapeMarkup(title)} · TokenLense</title>`,
    `<style>${style}</style>`,
  ];
}
