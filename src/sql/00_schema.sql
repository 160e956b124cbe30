/* Functions live in the extension's schema (default public), tables and views in schema sellometer. */
CREATE SCHEMA sellometer;
COMMENT ON SCHEMA sellometer IS 'Sellometer: sales metrics in tiers, and the ledger of the objects they come from';

CREATE TYPE sellometer.event_type AS ENUM ('view', 'cart', 'remove_from_cart', 'purchase');
COMMENT ON TYPE sellometer.event_type IS 'What a shop event is';
