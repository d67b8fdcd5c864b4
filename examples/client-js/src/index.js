// What browsers load: nothing here, or behind it, is imported from Node or from npm.
export { Client } from './client.js';
export { ConnectionError, ProblemError, StagehouseError, TurnError } from './errors.js';
