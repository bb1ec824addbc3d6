import { InvalidArgumentError } from "commander";

const units: Record<string, number> = { "": 1, b: 1 };
for (const [i, letter] of ["k", "m", "g", "t"].entries()) {
  units[`${letter}b`] = 1000 ** (i + 1);
  units[`${letter}ib`] = units[letter] = 1024 ** (i + 1);
}

/** "2GiB", "500 MB", "1.5g" (binary), "1073741824". */
export function bytes(text: string): number {
  const [, number = "", unit = ""] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const scale = units[unit.toLowerCase()];
  const value = Math.floor(Number(number) * (scale ?? Number.NaN));
  if (number === "" || !(value > 0))
    throw new InvalidArgumentError('Give a size such as "2GiB", "500MB" or a number of bytes.');
  return value;
}

export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("Give a number.");
  return value;
}

export function wholeNumber(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("Give a whole number, 0 or more.");
  return value;
}

/** An ISO 8601 date, or date and time. */
export function date(text: string): Date {
  const value = new Date(text);
  if (!/^\d{4}-\d\d/.test(text) || Number.isNaN(value.getTime()))
    throw new InvalidArgumentError('Give a date such as "2025-04-03" (UTC) or "2025-04-03T12:30".');
  return value;
}

/** The same, and of a date without a time its last moment. */
export function endOf(text: string): Date {
  const value = date(text);
  return text.includes("T") ? value : new Date(value.getTime() + 24 * 60 * 60 * 1000 - 1);
}

/** What stands after "=": a number, true or false, JSON, or text. */
function value(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** "steps=20" into an object of options. A list of numbers may be written "layers=0,5". */
export function assignment(text: string, before: Record<string, unknown>): Record<string, unknown> {
  const at = text.indexOf("=");
  if (at <= 0) throw new InvalidArgumentError('Give name=value, such as "steps=20".');
  const [name, given] = [text.slice(0, at), text.slice(at + 1)];
  const list = ["layers", "heads"].includes(name) ? given.split(",").map(Number) : undefined;
  return { ...before, [name]: list ?? value(given) };
}

/** "top_p_size:topP=0.5,…": a step function and its options. */
export function step(text: string): string | ({ name: string } & Record<string, unknown>) {
  const [name = "", ...rest] = text.split(":");
  if (rest.length === 0) return name;
  return rest
    .join(":")
    .split(",")
    .reduce<{ name: string } & Record<string, unknown>>((options, part) => ({ ...assignment(part, options), name }), {
      name,
    });
}

export function stepList(text: string, before: ReturnType<typeof step>[]): ReturnType<typeof step>[] {
  return [...before, step(text)];
}
