// The package is optional here, and its own types are not needed.
declare module "ws";
