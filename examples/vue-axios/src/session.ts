// What the tutorial spreads over localStorage, two interceptors and a queue.
import axios from "axios";
import { createSession, type Status } from "dualtoken";
import { attach } from "dualtoken/axios";
import { shallowRef } from "vue";

interface Addresses {
  authUrl: string;
  apiUrl: string;
}
export interface Home {
  status: string;
  message: string;
  data: { username: string; email: string };
}

const { data: addresses } = await axios.get<Addresses>("/config.json");

/** How often this tab has refreshed. */
export const refreshes = shallowRef(0);
export const status = shallowRef<Status | null>(null);

export const session = createSession({
  authUrl: addresses.authUrl,
  origins: [addresses.apiUrl],
  onChange: (changed) => (status.value = changed),
  onRefresh: ({ by }) => (refreshes.value += by === "this tab" ? 1 : 0),
});

export const api = axios.create({ baseURL: addresses.apiUrl });
attach(api, session);

import.meta.hot?.dispose(() => session.close());
