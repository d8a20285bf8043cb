// axios with axios-auth-refresh, as its README shows it: a 401 makes it refresh, others wait.
// By default (deduplicateRefresh: true) the others do not: a 401 that comes during a refresh is handed to its caller.
// With --deduplicate-refresh=false they do, and share one refresh: the two are the wrong way round, as is known there
// (https://github.com/Flyrell/axios-auth-refresh/issues/307). Both are measured.
import axios from "axios";
import { createAuthRefresh } from "axios-auth-refresh";

const task = JSON.parse(process.argv.at(-1));
const options = process.argv.includes("--deduplicate-refresh=false") ? { deduplicateRefresh: false } : {};
let { access_token: access, refresh_token: refresh } = task;
const http = axios.create({ baseURL: task.base, timeout: 30_000 });
http.interceptors.request.use((request) => {
  request.headers.Authorization = `Bearer ${access}`;
  return request;
});
createAuthRefresh(http, async (failed) => {
  const { data } = await axios.post(`${task.base}/token`, { grant_type: "refresh_token", refresh_token: refresh });
  ({ access_token: access, refresh_token: refresh } = data);
  failed.response.config.headers.Authorization = `Bearer ${access}`;
}, options);

const began = performance.now();
const answers = await Promise.allSettled(Array.from({ length: task.requests }, () => http.get("/things")));
const seconds = (performance.now() - began) / 1000;
console.log(JSON.stringify({ failed: answers.filter(({ status }) => status === "rejected").length, seconds }));
