// Hands a file to the visitor.

/** @param {Blob} content @param {string} name */
export function download(content, name) {
  const link = document.createElement('a');
  link.download = name;
  link.href = URL.createObjectURL(content);
  link.click();
  // The download has its own reference by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A name that every file system takes. @param {string} title @param {string} extension */
export function fileName(title, extension) {
  const words = title.toLowerCase().normalize('NFKD').replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '').slice(0, 60);
  return `patchlab-${words || 'figure'}.${extension}`;
}
