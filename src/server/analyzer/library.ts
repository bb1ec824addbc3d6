import { TokenlenseError } from "../../errors.js";
import { notFound } from "../errors.js";
import type { Catalogue } from "../results/catalogue.js";
import type { Entry } from "../results/describe.js";

/** Results as the Analyzer has them: by model and method, files by name. Native results are among them as if stored so. */
export class Library {
  readonly #entries: readonly Entry[];

  private constructor(entries: readonly Entry[]) {
    this.#entries = entries;
  }

  static async of(catalogue: Catalogue): Promise<Library> {
    return new Library((await catalogue.list()).entries);
  }

  models(): string[] {
    return names(this.#entries.map(({ analyzer }) => analyzer.model));
  }

  /** @throws ERR_TOKENLENSE_NOT_FOUND */
  methods(model: string): string[] {
    const of = this.#entries.filter(({ analyzer }) => analyzer.model === model);
    if (of.length === 0)
      throw notFound(`There are no results of the model ${model}.`, "GET /models/ lists the models.");
    return names(of.map(({ analyzer }) => analyzer.method));
  }

  /**
   * In the order in which `file_id` counts them.
   * @throws ERR_TOKENLENSE_NOT_FOUND
   */
  files(model: string, method: string): Entry[] {
    if (!this.methods(model).includes(method))
      throw notFound(
        `There are no results of ${model} by ${method}.`,
        `GET /models/${model}/methods lists the methods.`,
      );
    return this.#entries
      .filter(({ analyzer }) => analyzer.model === model && analyzer.method === method)
      .sort((a, b) => compareText(a.name, b.name) || compareText(a.id, b.id));
  }

  /** @throws ERR_TOKENLENSE_NOT_FOUND */
  file(model: string, method: string, fileId: number): Entry {
    const files = this.files(model, method);
    const file = files[fileId];
    if (file) return file;
    throw notFound(`${model} by ${method} has ${files.length} files, counted from 0; there is no ${fileId}.`);
  }

  /**
   * A file as "model/method/file_id".
   * @throws ERR_TOKENLENSE_INPUT, ERR_TOKENLENSE_NOT_FOUND
   */
  named(text: string): Entry & { fileId: number } {
    const [, model, method, number] = /^([^/]+)\/([^/]+)\/(\d{1,9})$/.exec(text) ?? [];
    if (model === undefined || method === undefined)
      throw new TokenlenseError(
        "ERR_TOKENLENSE_INPUT",
        `files: ${JSON.stringify(text)} is not "model/method/file_id".`,
      );
    return { ...this.file(model, method, Number(number)), fileId: Number(number) };
  }
}

const names = (all: readonly string[]): string[] => [...new Set(all)].sort(compareText);

/** As Python sorts, whatever the locale. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
