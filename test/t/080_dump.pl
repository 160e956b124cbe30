# A database that is dumped and restored into another server goes on where it was: settings, ledger, sums and views of the
# past are there, nothing is loaded before it is asked for, and what is loaded then counts once.
use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmHistory qw(files_below link_object wait_until_loaded unexpected_in_log);
use SlmTest;
use SlmTiers qw(tier_conf tier_differences);
use Test::More;

my $conf = tier_conf() . "timezone = 'Asia/Kolkata'\n";
my $old = slm_node('old', conf => $conf);
my $dir = slm_directory($old, 'in');
my $all = slm_directory($old, 'all');

sub call { my ($node, @procedures) = @_; $node->safe_psql('shop', "CALL sellometer_$_()") foreach (@procedures); return; }

# --- a database with all that there can be in it ---

traffic($all, '--minutes' => 330, '--rate' => 40, '--servers' => 2, '--start' => '2019-10-07 21:50:00', '--seed' => 5,
	'--products' => 200, '--brands' => 20, '--session-gap' => 30, '--bad' => 0.01, '--late' => 0.1);
my @files = files_below($all);
my @first = @files[ 0 .. $#files * 2 / 3 ];

write_object($dir, 'failed.csv', "event_time,event_type\n");
$old->safe_psql('shop', <<"SQL");
CREATE ROLE reader; CREATE ROLE landlord;
CREATE SERVER s FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint 'http://127.0.0.1:9');
CREATE USER MAPPING FOR reader SERVER s OPTIONS (access_key_id 'k', secret_access_key 'verysecret');
SELECT sellometer_grant_reader('reader');
SELECT sellometer_alter_tier('minute', '30 minutes');
SELECT sellometer_add_source('web', 'file://$dir/');
SELECT sellometer_add_tier('ten', '10 minutes', '1 hour');
SELECT sellometer_add_tier('day', '1 day', NULL);
SQL
link_object($all, $dir, $_) foreach (grep { !/7/ } @first);
wait_until_loaded($old);
call($old, 'rollup', 'prune');
link_object($all, $dir, $_) foreach (grep { /7/ } @first);
wait_until_loaded($old);
call($old, 'rollup', 'prune');
$old->safe_psql('shop', "INSERT INTO sellometer.calendar VALUES ('2019-12-24', '2019-12-27', 0.2, 'Christmas')");
$old->safe_psql('shop', "INSERT INTO sellometer.detectors (kind, enabled) VALUES ('of_mine', false); SELECT sellometer_mute('of_mine')");
is($old->safe_psql('shop', q{SELECT count(*) FROM sellometer.tiers WHERE name IN ('minute', 'ten') AND kept_from > '-infinity'}),
	2, 'minutes and tens of minutes have been pruned');
$old->safe_psql('shop', q{INSERT INTO sellometer.products VALUES (7, 'A name <b>', 'https://shop.example/7', NULL), (8, NULL, NULL, NULL)});
$old->safe_psql('shop', "SELECT sellometer_enable_source('web', false); SELECT sellometer_enable_source('web', true)");

# --- what must be the same afterwards ---

# Rows of tables and views, in an order of their own; sequences.
my $contents = q{
	SELECT c.relname, (xpath('/row/x/text()', query_to_xml(format(
		CASE WHEN c.relkind = 'S' THEN 'SELECT last_value || is_called::text AS x FROM sellometer.%I'
			ELSE 'SELECT count(*) || md5(string_agg(r::text, chr(10) ORDER BY r::text COLLATE "C")) AS x FROM sellometer.%I r' END,
		c.relname), false, true, '')))[1]
	FROM pg_class c WHERE relnamespace = 'sellometer'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
		AND relname !~ '^(own_)?(health|status)|^metrics' AND relname NOT IN ('sources', 'tiers', 'as_node', 'progress', 'rollup_changes', 'baselines', 'segments', 'dimension_segments') ORDER BY 1};
# What relations look like, who may do what, and what belongs to the extension.
my $definitions = q{
	SELECT c.relname, c.relkind, CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END, c.relacl,
		pg_get_expr(c.relpartbound, c.oid), d.deptype, obj_description(c.oid, 'pg_class'),
		(SELECT string_agg(attname || format_type(atttypid, atttypmod) || attstorage::text || attnotnull, ',' ORDER BY attname)
			FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND c.relkind IN ('r', 'p', 'v')),
		(SELECT string_agg(pg_get_indexdef(indexrelid), ',' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = c.oid)
	FROM pg_class c LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_extension'::regclass
	WHERE relnamespace = 'sellometer'::regnamespace ORDER BY 1};
my $settings = q{
	SELECT * FROM (SELECT name, position, granularity, retention, partition_width, watermark, rolling, kept_from FROM sellometer.tiers) t ORDER BY position};
my $sources = q{SELECT name, url, server, archive_url, owner, added_at, head, listed_at FROM sellometer.sources ORDER BY name};

sub picture { my ($node) = @_; return join("\n", map { $node->safe_psql('shop', "SET timezone = 'UTC'; $_") } $contents, $definitions, $settings, $sources); }

sub restored_agrees
{
	my ($node, $before, $name) = @_;
	my $after = picture($node);
	my %before = map { ($_ => 1) } split(/\n/, $before);
	my %after = map { ($_ => 1) } split(/\n/, $after);

	ok($before eq $after, "$name: all is there, and as it was")
		or diag(join("\n", grep { defined } (map { "missing: $_" } grep { !$after{$_} } sort keys %before)[ 0 .. 9 ],
			(map { "unexpected: $_" } grep { !$before{$_} } sort keys %after)[ 0 .. 9 ]));
	return;
}

my $dump = $old->basedir . '/dump';
# nothing goes on meanwhile, or the pictures would differ
$old->safe_psql('postgres', "ALTER SYSTEM SET sellometer.database = ''");
$old->restart;
my $before = picture($old);
$old->run_log([ 'pg_dump', '-Fc', '-f', "$dump.custom", $old->connstr('shop') ]);
# Who owns the database and is no superuser can dump it, but for keys that he may not see.
$old->safe_psql('shop', 'ALTER DATABASE shop OWNER TO landlord');
ok($old->run_log([ 'pg_dump', '--role=landlord', '-f', "$dump.sql", $old->connstr('shop') ]), 'the owner of a database dumps it');
$old->safe_psql('shop', 'ALTER DATABASE shop OWNER TO CURRENT_USER');
unlike(slurp_file("$dump.sql"), qr/verysecret/, '... without keys of others');
$old->run_log([ 'pg_dump', '--inserts', '-f', "$dump.inserts", $old->connstr('shop') ]);

# What it does not hold can't come back.
is($old->safe_psql('shop', q{
	SELECT c.relname FROM pg_class c JOIN pg_extension e ON extname = 'sellometer'
	WHERE relnamespace = 'sellometer'::regnamespace AND relkind IN ('r', 'S') AND relpersistence = 'p' AND c.oid <> ALL (extconfig)
		AND EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND refobjid = e.oid AND deptype = 'e')
	ORDER BY 1}), "dimension_segments\nnodes\nown_views\nsegments", 'the rows of all tables of the extension are dumped, but those that are a copy of others, and nodes, which are to be added anew');
is($old->safe_psql('shop', q{
	SELECT indrelid::regclass FROM pg_index JOIN pg_class c ON c.oid = indrelid AND relkind = 'p'
	WHERE relnamespace = 'sellometer'::regnamespace
		AND EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')}),
	'', 'no partitioned table of the extension has an index of its own: pg_dump could not restore its partitions');

is($old->safe_psql('shop', q{SELECT conrelid::regclass FROM pg_constraint JOIN pg_class c ON c.oid = conrelid
	WHERE contype = 'f' AND relnamespace = 'sellometer'::regnamespace}),
	'', 'no foreign key: pg_restore -j would trip over it');

# --- restore in each way, into a server whose worker watches ---

my $new = slm_node('new', conf => $conf, extension => 0);
$new->safe_psql('postgres', 'CREATE ROLE reader');
for my $way ([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.sql" ],
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.inserts" ],
	[ 'pg_restore', '--exit-on-error', '-j', '2', "$dump.custom" ])
{
	my ($out, $err) = ('', '');

	$new->safe_psql('postgres', 'DROP DATABASE shop WITH (FORCE); CREATE DATABASE shop');
	ok(IPC::Run::run([ @$way, '-d', $new->connstr('shop') ], '>', \$out, '2>', \$err), "restored by $way->[0] from " . $way->[-1] =~ s{.*\.}{}r)
		or diag($err);
	restored_agrees($new, $before, $way->[-1] =~ s{.*\.}{}r);
}

# --- and go on there ---

is($new->safe_psql('shop', 'SET ROLE reader; SELECT count(*) > 0 FROM sellometer.purchase_brand_ten'), 't', 'readers may read still');
link_object($all, $dir, $_) foreach (@files[ @first .. $#files ]);
wait_until($new, 'SELECT sellometer.worker_pid() IS NOT NULL');
like($new->safe_psql('shop', 'SELECT sellometer_wake(); SELECT enabled, restored, last_error FROM sellometer.sources'),
	qr/^t\nf\|t\|restored from a dump/, 'a restored source waits');
is($new->safe_psql('shop', q{SELECT ok, hint FROM sellometer_check() WHERE name = 'source web'}),
	"f|SELECT sellometer_enable_source('web', true) has it loaded into this database.", 'sellometer_check() says so');
is($new->safe_psql('shop', q{SELECT count(*) FROM sellometer.objects}), scalar(@first) + 1, 'nothing new has been found');

my ($status, $out, $err) = $new->psql('shop', 'CALL sellometer_ingest()');
like($err, qr/NOTICE:  restored sources are loaded into this database from now on: web/, 'CALL sellometer_ingest() resumes');
wait_until_loaded($new);
is($new->safe_psql('shop', q{SELECT count(*) FROM sellometer.segments s WHERE tier = 'day'}), '0', 'segments are still to be made anew');
is($new->safe_psql('shop', q{SELECT ok FROM sellometer_check() WHERE name = 'segments'}), 't', '... and rows tell meanwhile');
call($new, 'rollup', 'prune', 'rollup');
is($new->safe_psql('shop', q{SELECT ok FROM sellometer_check() WHERE name = 'segments'}), 't', '... and there are new ones');
cmp_ok($new->safe_psql('shop', q{SELECT count(*) FROM sellometer.segments s WHERE tier = 'day'}), '>', 0, '... of all tiers');
is($new->safe_psql('shop', q{SELECT enabled, restored, last_error IS NULL FROM sellometer.sources}), 't|f|t', 'the source is as any other');
is($new->safe_psql('shop', q{SELECT count(*), count(*) FILTER (WHERE state = 'done') FROM sellometer.objects}),
	(@files + 1) . '|' . @files, 'each object is there once, and loaded');
$new->safe_psql('shop', q{SELECT sellometer_skip('web', 'failed.csv')});
unlink("$dir/failed.csv") or die $!;
$new->safe_psql('shop', q{DELETE FROM sellometer.objects WHERE key = 'failed.csv'});
oracle_load($new, $dir);
is(join("\n", grep { defined } (tier_differences($new))[ 0 .. 9 ]), '', 'all tiers agree with the oracle');

# Tiers that came with the dump are tiers as any other.
$new->safe_psql('shop', q{SELECT sellometer_drop_tier('ten', discard => true)});
is($new->safe_psql('shop', 'SELECT pg_get_viewdef(\'sellometer.own_realtime_brand_hour\'::regclass) ~ \'realtime_brand_minute\''),
	't', 'a restored tier can be dropped');
$new->safe_psql('shop', 'DROP SCHEMA oracle CASCADE; DROP SERVER s CASCADE; DROP EXTENSION sellometer');
is($new->safe_psql('shop', q{SELECT count(*) FROM pg_class WHERE relname ~ '_(minute|hour|ten|day)'}),
	0, 'restored tiers go with the extension');
is(join("\n", grep { !/the user mapping has no keys/ } unexpected_in_log($new)), '', 'nothing unexpected in the log');

is($old->safe_psql('shop', 'SELECT count(*) > 0 FROM sellometer.rejected_rows; DELETE FROM sellometer.objects; SELECT count(*) FROM sellometer.rejected_rows'),
	"t\n0", 'rejected rows go with their objects');

# --- a default tier that was dropped stays away ---

$old->safe_psql('shop', q{SELECT sellometer_drop_tier('day', discard => true)});
$old->safe_psql('shop', q{SELECT sellometer_drop_tier('hour', discard => true)});
$old->safe_psql('shop', 'CREATE ROLE other_reader; SELECT sellometer_grant_reader(\'other_reader\')');
$old->run_log([ 'pg_dump', '-f', "$dump.sql", $old->connstr('shop') ]);
$new->safe_psql('postgres', 'CREATE ROLE other_reader; CREATE DATABASE fewer');
ok(IPC::Run::run([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.sql", $new->connstr('fewer') ]), 'restored without hours');
is($new->safe_psql('fewer', 'SELECT string_agg(name, \' \' ORDER BY position) FROM sellometer.tiers'), 'minute ten', 'hours stay away');
is($new->safe_psql('fewer', q{SELECT sellometer_add_tier('hour', '1 hour', '1 month'); SELECT count(*) FROM sellometer.purchase_brand_hour WHERE count > 0})
		=~ s/^\n//r > 0,
	1, 'hours can be added again');

# --- and one that came back comes back once more, with weeks and months beside each other ---

$new->safe_psql('fewer', q{SELECT sellometer_add_tier('day', '1 day'), sellometer_add_tier('week', '7 days'), sellometer_add_tier('month', '1 month')});
$new->safe_psql('fewer', 'CALL sellometer_rollup()');
$new->run_log([ 'pg_dump', '-f', "$dump.sql", $new->connstr('fewer') ]);
$new->safe_psql('postgres', 'CREATE DATABASE again');
ok(IPC::Run::run([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.sql", $new->connstr('again') ]),
	'restored with hours that were dropped and added');
my $tiers = q{SELECT string_agg(format('%s of %s', t.name, coalesce(finer, 'events')), ' ' ORDER BY position),
	(SELECT md5(string_agg(x::text, ' ' ORDER BY x)) FROM sellometer.totals x), (SELECT count(*) FROM sellometer.brand_hour),
	(SELECT sum(count) FROM sellometer.realtime_brand_month) FROM sellometer.tiers t};
is($new->safe_psql('again', $tiers), $new->safe_psql('fewer', $tiers), 'the same tiers are made of the same');
like($new->safe_psql('again', $tiers), qr/^minute of events ten of minute hour of ten day of hour week of day month of day\|/,
	'weeks and months of days');
$new->safe_psql('again', 'CALL sellometer_rollup()');
$new->safe_psql('again', 'SET client_min_messages = warning; DROP SERVER s CASCADE; DROP EXTENSION sellometer');

$old->stop;
$new->stop;
done_testing();
