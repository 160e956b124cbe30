# The owner of a database, who is no superuser, lays operators, functions and casts into schema public that fit better than
# those of pg_catalog: none becomes a part of the extension, whatever it makes at install or later.  He may rename that schema,
# too, and put functions of his own in its place: no superuser and no job ever calls them.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('overloads', extension => 0, conf => "fsync = off\nsellometer.database = ''\nlog_min_messages = log\n");
my $dir = slm_directory($node, 'in');

sub value { my ($sql) = @_; return $node->safe_psql('shop', $sql); }

$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron; CREATE ROLE keeper LOGIN; ALTER DATABASE shop OWNER TO keeper');

# Names that the extension's SQL calls anywhere.
my $script = join('', map { slurp_file($_) } glob(slm_root() . '/src/sql/*.sql'));
my %called = map { ($_ => 1) } $script =~ /\b([a-z_]+)\(/g;
my $names = join(",", grep { !/^sellometer_/ } sort keys %called);

value(<<"SQL");
SET SESSION AUTHORIZATION keeper;
SET check_function_bodies = off;
CREATE TYPE public.lure AS (x integer);
CREATE FUNCTION public.trap(what text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog AS \$\$
BEGIN
	RAISE LOG 'trapped: % as %', what, current_user;
	RAISE EXCEPTION 'trapped: %', what;
END
\$\$;
CREATE FUNCTION public.lay_traps() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS \$\$
DECLARE
	types text[] := '{boolean,smallint,integer,bigint,real,double precision,numeric,text,varchar,bpchar,name,\"\\\"char\\\"\",date,timestamp,
		timestamptz,time,interval,oid,regclass,regrole,jsonb,json,bytea,text[],bigint[],numeric[],timestamptz[],public.lure}';
	operators text[] := '{=,<>,<,>,<=,>=,+,-,*,/,%,||,~,!~,~~,!~~,~*,^,->,->>,\@>,<\@,&,|,&&}';
	names text[] := '{$names}';
	l text;
	r text;
	o text;
	body text;
BEGIN
	FOREACH l IN ARRAY types LOOP
		FOREACH r IN ARRAY types LOOP
			body := format(') RETURNS boolean LANGUAGE sql AS %L', format('SELECT public.trap(%L)', format('%s, %s', l, r)));
			EXECUTE format('CREATE FUNCTION public.two_%s_%s(%s, %s', array_position(types, l), array_position(types, r), l, r) || body;
			FOREACH o IN ARRAY operators LOOP
				BEGIN
					EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.two_%s_%s)', o, l, r,
						array_position(types, l), array_position(types, r));
				EXCEPTION WHEN OTHERS THEN NULL;
				END;
			END LOOP;
		END LOOP;
		FOREACH o IN ARRAY names LOOP
			BEGIN
				EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE sql AS %L', o, l, l, format('SELECT public.trap(%L)', o));
				EXECUTE format('CREATE FUNCTION public.%I(%s, %s) RETURNS %s LANGUAGE sql AS %L', o, l, l, l, format('SELECT public.trap(%L)', o));
			EXCEPTION WHEN OTHERS THEN NULL;
			END;
		END LOOP;
		CONTINUE WHEN l = 'public.lure';
		BEGIN
			EXECUTE format('CREATE FUNCTION public.to_lure(%s) RETURNS public.lure LANGUAGE sql AS %L', l, 'SELECT public.trap(''a cast'')');
			EXECUTE format('CREATE CAST (%s AS public.lure) WITH FUNCTION public.to_lure(%s) AS IMPLICIT', l, l);
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
END
\$\$;
SELECT public.lay_traps();
SQL
cmp_ok(value(q{SELECT count(*) FROM pg_operator WHERE oprnamespace = 'public'::regnamespace}), '>', 10000, 'operators lie in wait');
cmp_ok(value(q{SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace}), '>', 4000, 'and functions');
my ($status, $out, $err) = $node->psql('shop', q{SELECT 1.5::float8 / 2});
like($err, qr/trapped/, 'what is called there is seen');
my $log_from = -s $node->logfile;

# --- what the extension is made of ---

# A dependency of a member, of what it makes, or of their parts, upon anything but its like, or what every database has.
my $foreign = q{
	WITH RECURSIVE mine AS (
		SELECT classid, objid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype IN ('e', 'a')
			AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'sellometer')
		UNION
		SELECT 'pg_class'::regclass, oid FROM pg_class WHERE relnamespace = 'sellometer'::regnamespace
		UNION
		SELECT d.classid, d.objid FROM pg_depend d JOIN mine m ON d.refclassid = m.classid AND d.refobjid = m.objid
		WHERE d.deptype IN ('i', 'a', 'P', 'S') OR d.classid = 'pg_rewrite'::regclass
	)
	SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid) || ' needs ' || pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
	FROM pg_depend d JOIN mine m USING (classid, objid)
	WHERE NOT EXISTS (SELECT FROM mine x WHERE x.classid = d.refclassid AND x.objid = d.refobjid)
		AND d.refclassid <> ALL (ARRAY['pg_extension', 'pg_namespace', 'pg_language']::regclass[]) AND d.refobjid >= 16384
	ORDER BY 1 LIMIT 20};

sub by_superuser
{
	my ($what, @statements) = @_;
	my ($status, $out, $err) = $node->psql('shop', join(";\n", @statements), on_error_stop => 1);

	is($err =~ s/^.*(NOTICE|DETAIL|HINT|WARNING): .*\n?//gmr, '', $what);
	return $out;
}

by_superuser('CREATE EXTENSION', 'CREATE EXTENSION sellometer');
sub depends_on
{
	my ($name) = @_;

	local $ENV{PGOPTIONS} = '-c search_path=pg_catalog';
	is(value($foreign), '', $name);
	return;
}
depends_on('nothing of the extension depends on what is outside of it and pg_catalog');

is(value(q{SET search_path = pg_catalog; SELECT string_agg(p.oid::regprocedure::text, ' ') FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid
	WHERE d.classid = 'pg_proc'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'sellometer') AND d.deptype = 'e' AND p.prosrc ~ '\mpublic\.'}), '',
	'no body of a function names the schema that its owner may rename');

write_object($dir, '2019-10-01-00-07-1.csv', csv(event(event_time => '2019-10-01 00:07:00'), event(event_type => 'purchase'), event(price => 'x')));
write_object($dir, 'bad.csv', "event_time\n");
my @everything = ("SELECT sellometer_add_source('web', 'file://$dir/')", (map { "CALL sellometer_$_()" } qw(ingest merge_backlog rollup prune detect archive)),
	"SELECT sellometer_add_tier('ten', '10 minutes', '1 month')", "SELECT sellometer_add_tier('day', '1 day')",
	"SELECT sellometer_alter_tier('hour', '2 months')", "SELECT sellometer_drop_tier('ten', discard => true)", 'SELECT FROM sellometer_check()', 'SELECT FROM sellometer_report()',
	q{SELECT FROM sellometer_series('brand', 'view', 'acme', '2019-10-01', '2019-10-02', '1 hour')},
	q{SELECT FROM sellometer_top('brand', 'view', '2019-10-01', '2019-10-02', 5)},
	q{SELECT FROM sellometer_total('view', '2019-10-01', '2019-10-02')}, "SELECT sellometer_grant_reader('keeper')",
	q{INSERT INTO sellometer.inventory VALUES (1, 2, '2019-10-01', '1 day')}, 'CALL sellometer_detect()',
	q{SELECT FROM sellometer_similar_products(1)}, "SELECT sellometer_retry('web', 'bad.csv')", "SELECT sellometer_skip('web', 'bad.csv')",
	'SELECT sellometer_mute(NULL) WHERE false', 'SELECT sellometer_schedule()');
by_superuser('all that can be done', @everything);
depends_on('nor does what it makes later');
by_superuser('read all views', value(q{SET search_path = pg_catalog; SELECT string_agg(format('SELECT FROM %s', c.oid::regclass), ';') FROM pg_class c
	WHERE relnamespace = 'sellometer'::regnamespace AND relkind = 'v'}));

# --- the schema of users belongs to the owner of the database ---

# He may not rename what is in it, but the schema; what superusers and jobs call is then his.
value(<<'SQL');
SET SESSION AUTHORIZATION keeper;
SET check_function_bodies = off;
ALTER SCHEMA public RENAME TO formerly;
CREATE SCHEMA public;
SET search_path = pg_catalog;
DO $$
DECLARE
	f record;
BEGIN
	FOR f IN SELECT p.proname, p.prokind, pg_get_function_identity_arguments(p.oid) AS arguments FROM pg_proc p
			WHERE pronamespace = 'formerly'::regnamespace AND proname ~ '^sellometer_' AND prokind IN ('f', 'p') AND prorettype <> 'trigger'::regtype LOOP
		BEGIN
			EXECUTE format('CREATE %s public.%I(%s) %s LANGUAGE plpgsql AS %L', CASE f.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
				f.proname, regexp_replace(f.arguments, ', (OUT|TABLE).*', ''), CASE f.prokind WHEN 'f' THEN 'RETURNS record' END,
				format('BEGIN PERFORM formerly.trap(%L); END', f.proname));
		EXCEPTION WHEN OTHERS THEN NULL;
		END;
	END LOOP;
END
$$;
SQL
($status, $out, $err) = $node->psql('shop', 'CALL public.sellometer_detect()');
like($err, qr/trapped: sellometer_detect/, 'what lies there now is his');
$log_from = -s $node->logfile;
value('SET search_path = pg_catalog; ' . join('; ', map { s/\b(sellometer_[a-z_]+\()/formerly.$1/gr } grep { !/add_source|_tier|INSERT|schedule/ } @everything));
my @jobs = split(/\n/, $node->safe_psql('postgres', q{SELECT username || '|' || command FROM cron.job WHERE database = 'shop'}));
is(scalar(@jobs), 5, 'there are jobs');
for my $job (@jobs)
{
	my ($role, $command) = split(/\|/, $job);

	($status, $out, $err) = $node->psql('shop', $command, extra_params => [ '-U', $role ]);
	is($err =~ s/^.*NOTICE: .*\n?//gmr, '', "$command as $role");
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM cron.job JOIN pg_roles ON rolname = username WHERE rolsuper}), 0, 'no job runs as a superuser');

is(join("\n", grep { /trapped/ } split(/\n/, slurp_file($node->logfile, $log_from))), '', 'nothing was trapped');

# A schema "cron" of his own, in the database that pg_cron is meant to be in, is not called either.
$node->append_conf('postgresql.conf', "cron.database_name = 'shop'\n");
$node->restart;
value('SET SESSION AUTHORIZATION keeper; CREATE SCHEMA cron; CREATE TABLE cron.job (jobid bigint, jobname text, username text, database text, command text);
	CREATE FUNCTION cron.schedule_in_database(text, text, text, text, text) RETURNS bigint LANGUAGE sql AS $$ SELECT formerly.trap(\'cron\')::int::bigint $$');
($status, $out, $err) = $node->psql('shop', 'SELECT formerly.sellometer_schedule()');
like($err, qr/pg_cron is not installed in database "shop"/, 'a false schema cron is not taken for pg_cron');

$node->stop;
done_testing();
