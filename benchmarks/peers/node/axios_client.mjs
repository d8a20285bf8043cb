// axios with axios-auth-refresh, as its README shows it and with its defaults: a 401 makes it refresh, others wait.
import axios from "axios";
import { createAuthRefresh } from "axios-auth-refresh";

const task = JSON.parse(process.argv[2]);
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
});

const began = performance.now();
const answers = await Promise.allSettled(Array.from({ length: task.requests }, () => http.get("/things")));
const seconds = (performance.now() - began) / 1000;
console.log(JSON.stringify({ failed: answers.filter(({ status }) => status === "rejected").length, seconds }));
