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
