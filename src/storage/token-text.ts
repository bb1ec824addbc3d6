/** Tokens mark a space as Ġ or ▁ and a line's end as Ċ. */
export const unmarked = (token: string): string => token.replaceAll(/[Ġ▁]/g, " ").replaceAll("Ċ", "\n");

/** Files of TokenLense have no `text`. */
export const textOf = ({ token, text }: { token: string; text?: string | undefined }): string =>
  text ?? unmarked(token);
