/** The files of a folder that somebody chose or dropped: those that lie in it, not those of folders within. */

export interface Folder {
  name: string;
  files: Map<string, File>;
}

/** Of a field that takes a folder. */
export function filesOf(list: FileList | null): Folder {
  const all = [...(list ?? [])];
  const inFolder = all.filter(({ webkitRelativePath }) => webkitRelativePath.split("/").length <= 2);
  const name = all[0]?.webkitRelativePath.split("/")[0] ?? "";
  return { name: name === "" ? "the folder" : name, files: new Map(inFolder.map((file) => [file.name, file])) };
}

/** Of what was dropped: one folder, or files. Has to be called while the event is handled. */
export async function filesOfDrop(data: DataTransfer | null): Promise<Folder> {
  const items = [...(data?.items ?? [])].filter(({ kind }) => kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const folder = entries.find((entry) => entry.isDirectory) as FileSystemDirectoryEntry | undefined;
  if (folder !== undefined) return { name: folder.name, files: await filesIn(folder) };
  const files = items.map((item) => item.getAsFile()).filter((file) => file !== null);
  if (files.length === 0) throw new Error("What was dropped is neither a folder nor a file.");
  return { name: "What was dropped", files: new Map(files.map((file) => [file.name, file])) };
}

async function filesIn(folder: FileSystemDirectoryEntry): Promise<Map<string, File>> {
  const reader = folder.createReader();
  const files = new Map<string, File>();
  for (;;) {
    // It tells some of them at a time, and none when there are no more.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return files;
    for (const entry of entries) {
      if (!entry.isFile) continue;
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      files.set(file.name, file);
    }
  }
}
