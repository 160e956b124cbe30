/*
 * Dimensions of one's own, beside the five that each event has.
 *
 * An event has a key in one if it is not before `since`: by its own time alone, whenever it comes.  So what is added later counts
 * nothing of the past, and what is taken out again is what was counted.  sellometer_replay() moves since back.
 */
CREATE TABLE sellometer.dimensions (
	id			bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	dimension	text COLLATE "C" NOT NULL UNIQUE CHECK (dimension ~ '^[a-z][a-z0-9_]{0,20}$'),
	name		text COLLATE "C" NOT NULL,
	made_of		text COLLATE "C" NOT NULL CHECK (made_of IN ('column', 'source', 'key')),
	column_name	text CHECK (octet_length(column_name) BETWEEN 1 AND 255),
	pattern		text CHECK (octet_length(pattern) BETWEEN 1 AND 255),
	separator	text CHECK (octet_length(separator) BETWEEN 1 AND 7),
	level		integer NOT NULL DEFAULT 0 CHECK (level >= 0),
	empty		text NOT NULL CHECK (octet_length(empty) BETWEEN 1 AND 63),
	since		timestamptz NOT NULL,
	max_keys	integer NOT NULL CHECK (max_keys > 0),
	added_at	timestamptz NOT NULL DEFAULT now(),
	visits		boolean NOT NULL DEFAULT false,
	visits_from	timestamptz CHECK (visits OR visits_from IS NULL),
	CHECK (num_nonnulls(column_name, pattern) = (made_of <> 'source')::integer AND (made_of = 'key' OR pattern IS NULL)),
	CHECK ((level > 0) = (separator IS NOT NULL))
);
COMMENT ON TABLE sellometer.dimensions IS
	'Dimensions of one''s own; changed by sellometer_add_dimension() and sellometer_drop_dimension(), which make and drop their tables';
COMMENT ON COLUMN sellometer.dimensions.id IS 'never given again';
COMMENT ON COLUMN sellometer.dimensions.dimension IS 'its tables'' names begin with it: name, and _l1, _l2 … if it has levels';
COMMENT ON COLUMN sellometer.dimensions.name IS 'as it was given to sellometer_add_dimension()';
COMMENT ON COLUMN sellometer.dimensions.made_of IS 'what its keys are: of a column of the files, the names of sources, or a part of objects'' keys';
COMMENT ON COLUMN sellometer.dimensions.column_name IS 'the column, in whatever case files have it; of a key: what its folders are called before =';
COMMENT ON COLUMN sellometer.dimensions.pattern IS 'of a key: what substring(key FROM pattern) finds in it';
COMMENT ON COLUMN sellometer.dimensions.separator IS 'what stands between the levels of a value';
COMMENT ON COLUMN sellometer.dimensions.level IS 'so many levels of the value, from the first on; 0: all of it';
COMMENT ON COLUMN sellometer.dimensions.empty IS 'the key of events without a value';
COMMENT ON COLUMN sellometer.dimensions.since IS 'it is complete from here on; what was before has no key in it';
COMMENT ON COLUMN sellometer.dimensions.visits IS 'sessions, buyers and orders are counted by it where they are counted: sellometer_count_visits()';
COMMENT ON COLUMN sellometer.dimensions.visits_from IS 'from here on they are; NULL: they are not';
COMMENT ON COLUMN sellometer.dimensions.max_keys IS 'so many keys are admitted, not counting that of events without a value; further ones are counted as other';

/* What a key is counted as never changes: none goes, and none comes behind the first that was counted as other. */
CREATE TABLE sellometer.dimension_keys (
	dimension_id	bigint NOT NULL,
	key				text COLLATE "C" NOT NULL,
	given			boolean NOT NULL DEFAULT false,
	number			integer GENERATED ALWAYS AS IDENTITY UNIQUE,
	PRIMARY KEY (dimension_id, key)
);
COMMENT ON TABLE sellometer.dimension_keys IS 'The keys that each dimension of one''s own has';
COMMENT ON COLUMN sellometer.dimension_keys.dimension_id IS 'of sellometer.dimensions';
COMMENT ON COLUMN sellometer.dimension_keys.key IS 'as its tables have it';
COMMENT ON COLUMN sellometer.dimension_keys.number IS 'what visits name it by; never given again';
COMMENT ON COLUMN sellometer.dimension_keys.given IS 'not one of max_keys: that of events without a value, and other';

CREATE TABLE sellometer.dimension_others (
	dimension_id	bigint PRIMARY KEY,
	since			timestamptz NOT NULL DEFAULT now(),
	sketch			bytea NOT NULL
);
COMMENT ON TABLE sellometer.dimension_others IS 'Dimensions of one''s own that have all the keys that they may have, and have met others';
COMMENT ON COLUMN sellometer.dimension_others.dimension_id IS 'of sellometer.dimensions';
COMMENT ON COLUMN sellometer.dimension_others.since IS 'when the first of these was counted';
COMMENT ON COLUMN sellometer.dimension_others.sketch IS 'tells sellometer.sketched_keys() about how many there are';
