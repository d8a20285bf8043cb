/** One entry of localStorage, which may be full, refused, or not there. */

/** @typedef {ReturnType<typeof storedText>} StoredText */

/** @param {string} name */
export function storedText(name) {
  const read = () => orNull(() => localStorage.getItem(name));
  return {
    read,
    /** @param {string} text @returns {string | null} *text*, or null where it was not kept */
    write(text) {
      orNull(() => localStorage.setItem(name, text));
      return read() === text ? text : null;
    },
    /** @param {string | null} [only] leave another text alone */
    clear(only) {
      orNull(() => (only && read() !== only) || localStorage.removeItem(name));
    },
  };
}

/** @template T @param {() => T} use @returns {T | null} */
function orNull(use) {
  try {
    return use();
  } catch {
    return null; // a sandboxed frame, blocked cookies, no room
  }
}
