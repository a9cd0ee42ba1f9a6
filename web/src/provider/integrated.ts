import * as Y from "yjs";

/**
 * Returns what a peer with `stateVector` lacks, of what this document has taken in.
 *
 * Yjs adds what it keeps for later, updates whose predecessors never came. A relay takes no update with a gap, and with it
 * would refuse all else that was edited here, for ever.
 *
 * @throws {Error} if the state vector is none.
 */
export function integrated(doc: Y.Doc, stateVector: Uint8Array): Uint8Array {
  const { store } = doc;
  const { pendingStructs, pendingDs } = store;
  store.pendingStructs = store.pendingDs = null;
  try {
    return Y.encodeStateAsUpdate(doc, stateVector);
  } finally {
    Object.assign(store, { pendingStructs, pendingDs });
  }
}
