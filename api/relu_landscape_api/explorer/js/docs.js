// Swagger UI from the service's own files. It runs after the deferred bundle.

window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger",
  deepLinking: true,
  // The default validator is somebody else's server.
  validatorUrl: null,
});
document.documentElement.classList.toggle("dark-mode", document.documentElement.dataset.theme === "dark");
