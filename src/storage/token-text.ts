/** Files of TokenLense have no `text`; its tokens mark a space as Ġ or ▁ and a line's end as Ċ. */
export function textOf({ token, text }: { token: string; text?: string | undefined }): string {
  return text ?? token.replaceAll(/[Ġ▁]/g, " ").replaceAll("Ċ", "\n");
}
