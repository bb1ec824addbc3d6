import yauzl from "yauzl";
import { TokenlenseError } from "../errors.js";
import { ARCHIVE_FILES, type Contract, parseContract } from "./contract.js";

/** What an archive says of itself, found out without libtorch and without reading a weight. */
export interface ArchiveSummary {
  contract: Contract;
  /** Of weights and position tables, as they lie in memory. */
  tensorBytes: number;
}

/** @throws ERR_TOKENLENSE_FORMAT where the file is no archive of this package, or was cut short. */
export async function readArchive(path: string): Promise<ArchiveSummary> {
  let zip: yauzl.ZipFile | undefined;
  try {
    zip = await yauzl.openPromise(path, { lazyEntries: true, autoClose: false });
    let contract = "";
    let tensorBytes = 0;
    for await (const entry of zip.eachEntry()) {
      // The name of the folder that a TorchScript archive has all its files in is the module's.
      const name = entry.fileName.slice(entry.fileName.indexOf("/") + 1);
      if (/^data\/\d+$/.test(name)) tensorBytes += entry.uncompressedSize;
      if (name !== `extra/${ARCHIVE_FILES.contract}`) continue;
      const chunks: Buffer[] = [];
      for await (const chunk of await zip.openReadStreamPromise(entry)) chunks.push(chunk as Buffer);
      contract = Buffer.concat(chunks).toString();
    }
    return { contract: parseContract(contract, path), tensorBytes };
  } catch (cause) {
    if (cause instanceof TokenlenseError) throw cause;
    const message = `${path} is no archive, or was cut short: ${(cause as Error).message}.`;
    throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", message, { hint: "Build it anew from its source.", cause });
  } finally {
    zip?.close();
  }
}
