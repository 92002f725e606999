// Saves a file on the visitor's machine.

/** @param {Blob} content @param {string} name */
export function download(content, name) {
  const link = document.createElement('a');
  link.download = name;
  link.href = URL.createObjectURL(content);
  link.click();
  // By then the download holds its own reference to the blob.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A file name that is valid on every file system. @param {string} title @param {string} extension */
export function fileName(title, extension) {
  const words = title.toLowerCase().normalize('NFKD').replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '').slice(0, 60);
  return `patchlab-${words || 'figure'}.${extension}`;
}
