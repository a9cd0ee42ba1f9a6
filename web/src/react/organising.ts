/** Hooks for collections and tags: `docs/react.md`, "Collections, bookmarks and where one reads". */
import type { LibraryClient } from "../library/client.js";
import type { CollectionFilter, TagCount } from "../library/queries.js";
import type { Collection, Highlight, Note } from "../library/values.js";
import { useSession } from "./context.js";
import { ITEMS, NONE, useQuery } from "./query.js";

/** The collections outside the trash, or those in it; the oldest first. */
export function useCollections(filter: CollectionFilter = {}, userId?: string): readonly Collection[] {
  return useQuery(useSession(userId).session, ITEMS, filter, collectionsOf, NONE);
}

/** What is in a collection, in the order that its people gave it, without what is in the trash. */
export function useCollectionItems(collectionId: string, userId?: string): readonly (Highlight | Note)[] {
  return useQuery(useSession(userId).session, ITEMS, collectionId, itemsOf, NONE);
}

/** The tags of all that is outside the trash, the commonest first. */
export function useTags(userId?: string): readonly TagCount[] {
  return useQuery(useSession(userId).session, ITEMS, null, tagsOf, NONE);
}

const collectionsOf = (library: LibraryClient, filter: CollectionFilter): readonly Collection[] => library.collections(filter);
const itemsOf = (library: LibraryClient, id: string): readonly (Highlight | Note)[] => library.collectionItems(id);
const tagsOf = (library: LibraryClient): readonly TagCount[] => library.tags();
