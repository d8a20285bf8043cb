import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

// By name: a browser takes 127.0.0.1 and localhost for two sites, and sends a SameSite cookie within one alone.
export default defineConfig({
  plugins: [vue()],
  server: { host: "localhost", port: 5173, strictPort: true },
});
