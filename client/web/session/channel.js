/** What tabs tell each other, where there is a BroadcastChannel. */

/**
 * Open a channel. A message of a kind that nobody handles, or of no kind at all, is nothing: any script of this origin can
 * send one, and so can a tab with another release of this module.
 * @param {string} name @param {Record<string, (message: any) => void>} handlers  by kind
 */
export function openChannel(name, handlers) {
  const channel = channelOrNull(name);
  if (channel) {
    channel.onmessage = ({ data }) => {
      if (typeof data?.kind === "string" && Object.hasOwn(handlers, data.kind)) handlers[data.kind](data);
    };
  }
  return {
    /** Whether other tabs can hear anything. */
    open: channel !== null,
    /** @param {{kind: string, [member: string]: unknown}} message */
    tell: (message) => channel?.postMessage(message),
    close: () => channel?.close(),
  };
}

/** @param {string} name */
function channelOrNull(name) {
  try {
    return new BroadcastChannel(name);
  } catch {
    return null; // an old browser, blocked cookies
  }
}
