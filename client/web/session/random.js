/** @returns {string} 128 random bits: nobody guesses it, and it is no secret */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
