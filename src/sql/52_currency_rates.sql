/*
 * Rates of other currencies than the shop's (sellometer.currency).  Looked up when a row is counted; what it was counted by is kept with its
 * object (sellometer.objects.rates), so rows here may be changed and deleted at any time.
 */
CREATE TABLE sellometer.currency_rates (
	currency	text NOT NULL CHECK (currency COLLATE "C" ~ '^[A-Z0-9]{1,16}$'),
	from_time	timestamptz NOT NULL CHECK (from_time < 'infinity'),
	rate		numeric NOT NULL CHECK (rate > 0 AND rate < 10000000000 AND pg_catalog.scale(pg_catalog.trim_scale(rate)) <= 12),
	PRIMARY KEY (currency, from_time)
);
COMMENT ON TABLE sellometer.currency_rates IS
	'Yours to fill: what a unit of another currency is worth in the shop''s own, sellometer.currency';
COMMENT ON COLUMN sellometer.currency_rates.currency IS 'code, as EUR';
COMMENT ON COLUMN sellometer.currency_rates.from_time IS 'for events of this time and later, until the currency''s next rate; -infinity: of any time';
COMMENT ON COLUMN sellometer.currency_rates.rate IS 'greater than 0, below 10^10, with at most 12 decimals';
