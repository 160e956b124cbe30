# Nothing that an attacker puts into a schema that comes before pg_catalog, or into the temporary schema, is ever picked up:
# twins of all functions, operators, types and relations of pg_catalog lie in wait there, while a superuser and the worker
# do all that can be done.  A twin that is called says so in the server's log, and raises an error.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('search_path', extension => 0, conf => "fsync = off\n");
my $dir = slm_directory($node, 'in');

$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
$node->safe_psql('shop', <<'SQL');
CREATE ROLE attacker;
CREATE SCHEMA evil AUTHORIZATION attacker;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
SET ROLE attacker;
CREATE FUNCTION evil.trap(what text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	RAISE LOG 'trapped: % as %', what, current_user;
	RAISE EXCEPTION 'trapped: %', what;
END
$$;
DO $$
DECLARE
	r record;
	body text := 'LANGUAGE plpgsql AS $body$BEGIN PERFORM evil.trap(%L); END$body$';
BEGIN
	-- functions and aggregates, but for those whose types say "any"; these for some types that are often used
	FOR r IN SELECT proname, pg_get_function_identity_arguments(p.oid) AS arguments, format_type(prorettype, NULL) AS result
			FROM pg_proc p WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind IN ('f', 'a') AND provariadic = 0
				AND NOT EXISTS (SELECT FROM unnest(proargtypes || prorettype) a JOIN pg_type t ON t.oid = a WHERE typtype = 'p')
				AND coalesce(proargmodes <@ '{i}', true)
			UNION
			SELECT name, arguments, 'text' FROM (VALUES ('format', 'text, text'), ('format', 'text, text, text'), ('format', 'text, name'),
				('format', 'text, text, text, text'), ('count', 'bigint'), ('count', 'text'), ('array_agg', 'text'), ('unnest', 'text[]'),
				('unnest', 'bigint[]'), ('max', 'bigint'), ('min', 'timestamptz'), ('concat', 'text, text'), ('array_length', 'text[], integer'),
				('jsonb_build_object', 'text, text'), ('json_agg', 'record'), ('enum_range', 'sellometer_none')) v (name, arguments)
			WHERE arguments !~ 'none' LOOP
		BEGIN
			EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s ', r.proname, regexp_replace(r.arguments, 'VARIADIC|ORDER BY', '', 'g'),
				r.result) || format(body, r.proname);
		EXCEPTION WHEN duplicate_function OR syntax_error THEN
			NULL;
		END;
	END LOOP;
	FOR r IN SELECT oprname, format_type(NULLIF(oprleft, 0), NULL) AS l, format_type(oprright, NULL) AS r, format_type(oprresult, NULL) AS result, o.oid
			FROM pg_operator o WHERE oprnamespace = 'pg_catalog'::regnamespace
				AND NOT EXISTS (SELECT FROM pg_type t WHERE t.oid IN (oprleft, oprright, oprresult) AND typtype = 'p')
			UNION ALL
			SELECT '||', 'text', t, 'text', 1000000 + n FROM unnest('{bigint,integer,numeric,timestamptz,name,interval}'::text[]) WITH ORDINALITY u (t, n) LOOP
		EXECUTE format('CREATE FUNCTION evil.operator_%s(%s) RETURNS %s ', r.oid, concat_ws(', ', r.l, r.r), r.result) || format(body, r.oprname);
		BEGIN
			EXECUTE format('CREATE OPERATOR evil.%s (%s RIGHTARG = %s, FUNCTION = evil.operator_%s)', r.oprname,
				'LEFTARG = ' || r.l || ',', r.r, r.oid);
		EXCEPTION WHEN OTHERS THEN
			NULL;
		END;
	END LOOP;
	FOR r IN SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v')
			UNION SELECT unnest('{objects,sources,tiers,state,runs,dimensions,kept}'::text[]) LOOP
		EXECUTE format('CREATE VIEW evil.%I AS SELECT evil.trap(%L)', r.relname, r.relname);
	END LOOP;
	FOR r IN SELECT typname FROM unnest('{text,timestamptz,regclass,regnamespace,regrole,name,oid,jsonb,json,event_type}'::text[]) t (typname) LOOP
		EXECUTE format('CREATE DOMAIN evil.%I AS pg_catalog.%s CHECK (evil.trap(%L))', r.typname, CASE r.typname WHEN 'event_type' THEN 'text' ELSE r.typname END, r.typname);
	END LOOP;
END
$$;
SQL
cmp_ok($node->safe_psql('shop', q{SELECT count(*) FROM pg_proc WHERE pronamespace = 'evil'::regnamespace}), '>', 2500, 'functions lie in wait');
cmp_ok($node->safe_psql('shop', q{SELECT count(*) FROM pg_operator WHERE oprnamespace = 'evil'::regnamespace}), '>', 600, 'and operators');

# The trap works.
my ($status, $out, $err) = $node->psql('shop', q{SET search_path = evil, pg_catalog; SELECT 1 WHERE 'a'::pg_catalog.text = 'a'::pg_catalog.text});
like($err, qr/trapped: =/, 'what is called there is seen');
my $log_from = -s $node->logfile;

# From here on everybody, the worker too, looks there first; but for what this test itself asks, with PGOPTIONS.
$node->safe_psql('shop', 'ALTER DATABASE shop SET search_path = evil, pg_catalog, public');
$node->restart;

# The temporary schema comes even before that.
my $temporary = join(' ', map { "CREATE TEMP VIEW $_ AS SELECT evil.trap('temporary $_');" }
	qw(pg_class pg_proc pg_inherits pg_namespace pg_extension pg_depend pg_roles pg_settings pg_attribute pg_event_trigger
	objects sources tiers state runs alerts));

sub by_superuser
{
	my ($what, @statements) = @_;
	my ($status, $out, $err) = $node->psql('shop', join(";\n", @statements), on_error_stop => 1);

	is($err =~ s/^.*(NOTICE|DETAIL|HINT|WARNING): .*\n?//gmr, '', $what);
	return $out;
}

sub waiting
{
	my ($sql) = @_;

	local $ENV{PGOPTIONS} = '-c search_path=pg_catalog';
	wait_until($node, $sql);
	return;
}

by_superuser('CREATE EXTENSION', 'CREATE EXTENSION sellometer SCHEMA public');
write_object($dir, '2019-10-01-00-07-1.csv', csv(event(event_time => '2019-10-01 00:07:00'), event(event_type => 'purchase'), event(price => 'x')));
by_superuser('add a source', "SELECT public.sellometer_add_source('web', 'file://$dir/')", "SELECT public.sellometer_wake()");
waiting("SELECT count(*) = 1 FROM sellometer.objects WHERE state = 'done'");
pass('the worker loads');
traffic($dir, '--minutes' => 150, '--rate' => 10, '--start' => '2019-10-01 01:00:00', '--seed' => 1);
write_object($dir, 'bad.csv', "event_time\n");
for my $temp ('', $temporary)
{
	my $where = $temp eq '' ? '' : ', temporary twins too';

	by_superuser("call each procedure$where", $temp, map { "CALL public.sellometer_$_()" } qw(ingest merge_backlog rollup prune detect));
	by_superuser("tiers$where", $temp, "SELECT public.sellometer_add_tier('ten', '10 minutes', '1 month')",
		"SELECT public.sellometer_add_tier('day', '1 day')", "SELECT public.sellometer_alter_tier('day', '1 year')", "SELECT public.sellometer_drop_tier('ten', discard => true)", "SELECT public.sellometer_drop_tier('day', discard => true)");
	by_superuser("look$where", $temp, 'SELECT FROM public.sellometer_check()', 'SELECT FROM public.sellometer_report()',
		q{SELECT FROM public.sellometer_series('brand', 'view', 'acme', '2019-10-01', '2019-10-02', '1 hour')},
		q{SELECT FROM public.sellometer_top('brand', 'view', '2019-10-01', '2019-10-02', 5)},
		"SELECT FROM public.sellometer_list('file://$dir/')", "SELECT FROM public.sellometer_read_csv('file://$dir/2019-10-01-00-07-1.csv')",
		q{SELECT FROM public.sellometer_parse_csv('event_time,event_type,product_id,price')},
		q{SELECT public.sellometer_category_levels('a.b'), public.sellometer_gmv(1.5), public.sellometer_avg_price(1.5, 1::bigint)});
	by_superuser("change$where", $temp, "SELECT public.sellometer_retry('web', 'bad.csv')", "SELECT public.sellometer_skip('web', 'bad.csv')",
		"SELECT public.sellometer_enable_source('web', false)", "SELECT public.sellometer_enable_source('web', true)",
		"SELECT public.sellometer_grant_reader('attacker')", "SELECT public.sellometer_drop_source('web')",
		"SELECT public.sellometer_add_source('web', 'file://$dir/')", 'SELECT public.sellometer_schedule()', 'SELECT public.sellometer_unschedule()');
	# what a restore does
	by_superuser("rows that triggers look at$where", $temp, 'BEGIN', "INSERT INTO sellometer.sources (name, url, added_at) VALUES ('r', 'file:///r/', '2020-01-01')",
		'INSERT INTO sellometer.state SELECT * FROM sellometer.state', 'INSERT INTO sellometer.secret SELECT * FROM sellometer.secret',
		q{INSERT INTO sellometer.tiers (name, position, granularity, partition_width, watermark) VALUES ('minute', 0, '1 minute', '1 hour', 'infinity')},
		"INSERT INTO sellometer.detectors (kind) VALUES ('x')", "DELETE FROM sellometer.objects", 'ROLLBACK');
}
my $views;
{
	local $ENV{PGOPTIONS} = '-c search_path=pg_catalog';
	$views = $node->safe_psql('shop', q{SELECT string_agg(format('SELECT FROM %s', c.oid::regclass), ';') FROM pg_class c
		WHERE relnamespace = 'sellometer'::regnamespace AND relkind = 'v'});
}
by_superuser('read all views', $views);
by_superuser('DROP EXTENSION', 'DROP EXTENSION sellometer CASCADE');

is(join("\n", grep { /trapped/ } split(/\n/, slurp_file($node->logfile, $log_from))), '', 'nothing was trapped');
$node->stop;
done_testing();
