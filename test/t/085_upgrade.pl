# From one release to the next: a package of a version that never was (the tree, with what a release adds) is installed over
# this one in a copy of PostgreSQL, and ALTER EXTENSION sellometer UPDATE takes a database with data there.
use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use SlmHistory qw(files_below link_object wait_until_loaded);
use SlmTest;
use SlmTiers qw(tier_conf tier_differences);
use Test::More;

my $tmp = PostgreSQL::Test::Utils::tempdir();
my $root = slm_root();
my $old_pg = $ENV{PG_CONFIG} // 'pg_config';

sub output_of
{
	my @command = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err) or die "failed: @command\n$out$err";
	chomp $out;
	return $out;
}

# --- two installations ---

# A copy of this PostgreSQL, in links: others use the original, and its programs find the rest from where they are.
for my $what (qw(bindir pkglibdir sharedir pkgincludedir includedir-server))
{
	my $dir = output_of($old_pg, "--$what");

	next if -e "$tmp/pg$dir";
	output_of('mkdir', '-p', "$tmp/pg$dir");
	output_of('cp', '-al', "$dir/.", "$tmp/pg$dir");
}
my $bindir = $tmp . '/pg' . output_of($old_pg, '--bindir');
my $pg_config = "$bindir/pg_config";
my $library = output_of($pg_config, '--pkglibdir') . '/sellometer.so';
my $scripts = output_of($pg_config, '--sharedir') . '/extension';
like($library, qr/^\Q$tmp\E/, 'there is a copy of PostgreSQL');
$ENV{PATH} = "$bindir:$ENV{PATH}";

# What a release is made of: the version, a script, and the same in the parts that CREATE EXTENSION runs.
my $release = "$tmp/release";
my ($this) = slurp_file("$root/sellometer.control") =~ /^default_version = '(.*)'$/m;
my $next = '99.0';
my $change = <<'SQL';
ALTER TABLE sellometer.sources ADD COLUMN wish text;
CREATE TABLE sellometer.wishes (wish text NOT NULL PRIMARY KEY);
COMMENT ON TABLE sellometer.wishes IS 'What is new';
SELECT pg_catalog.pg_extension_config_dump('sellometer.wishes', '');
CREATE FUNCTION @extschema@.sellometer_wish(wish text) RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ INSERT INTO sellometer.wishes VALUES (wish) $$;
REVOKE ALL ON FUNCTION @extschema@.sellometer_wish(text) FROM PUBLIC;
SQL
output_of('mkdir', '-p', "$release/sql/updates");
output_of('cp', '-a', (map { "$root/$_" } qw(src Makefile sellometer.control)), $release);
output_of('sh', '-c', 'cp -a "$1"/sql/updates/* "$2" 2>/dev/null || :', 'sh', $root, "$release/sql/updates");
write_file("$release/Makefile", slurp_file("$root/Makefile") =~ s/^EXTVERSION( *)= .*$/EXTVERSION$1= $next/mr);
write_file("$release/sellometer.control", slurp_file("$root/sellometer.control") =~ s/^(default_version = ').*'/$1$next'/mr);
write_file("$release/sql/updates/$this--$next.sql", $change);
write_file("$release/src/sql/99_wishes.sql", $change);

# Only what knows the version is compiled anew, as its objects were there.
sub install_release
{
	return output_of('make', '-s', '-C', $release, "PG_CONFIG=$pg_config", 'COPT=-DUSE_ASSERT_CHECKING', 'install');
}

# --- this version at work ---

my $node = slm_node('shop', conf => tier_conf());
my $in = slm_directory($node, 'in');
my $all = slm_directory($node, 'all');

sub value { return $node->safe_psql('shop', $_[0]); }

traffic($all, '--minutes' => 150, '--rate' => 40, '--servers' => 2, '--start' => '2019-10-07 21:50:00', '--seed' => 8,
	'--products' => 100, '--brands' => 20, '--session-gap' => 30, '--bad' => 0.01, '--late' => 0.1);
my @files = files_below($all);
my @first = splice(@files, 0, @files / 2);
my @second = splice(@files, 0, @files / 2);

value(<<"SQL");
CREATE ROLE reader;
SELECT sellometer_grant_reader('reader');
SELECT sellometer_add_source('web', 'file://$in/');
SELECT sellometer_add_tier('ten', '10 minutes', '1 day');
SELECT sellometer_override_category('toys.blocks', product_id => 7);
SELECT sellometer_mute('price_anomaly');
SQL
link_object($all, $in, $_) foreach (@first);
wait_until_loaded($node);
value('CALL sellometer_rollup()');

# What an update must leave as it is.
sub picture
{
	return value(q{SELECT format('%s %s', count(*), md5(string_agg(t::text, ',' ORDER BY t::text COLLATE "C"))) FROM sellometer.objects t})
	  . value(q{SELECT jsonb_agg(to_jsonb(s) - '{wish,listed_at,list_requests}'::text[] ORDER BY name) FROM sellometer.sources s})
	  . value(q{SELECT jsonb_agg(t ORDER BY name) FROM sellometer.tiers t})
	  . value(q{SELECT jsonb_agg(t ORDER BY t::text) FROM sellometer.category_overrides t})
	  . value(q{SELECT format('%s %s', sum(count), sum(gmv)) FROM sellometer.product_id_ten});
}
my $before = picture();

# --- the next one is installed ---

install_release();
my $mark = -s $node->logfile;
$node->restart;
link_object($all, $in, $_) foreach (@second);
wait_until($node, 'SELECT sellometer.worker_pid() IS NOT NULL');
my $differ = qr/extension "sellometer" and its library differ in version.*of version \Q$this\E in this database, the library of version \Q$next\E.*ALTER EXTENSION sellometer UPDATE/s;
ok($node->wait_for_log($differ, $mark), 'the worker of a newer library says what to do');
my ($status, $out, $err) = $node->psql('shop', 'CALL sellometer_ingest()');
like($err, $differ, 'so does a CALL');
is(picture(), $before, '... and nothing is loaded');
is($node->safe_psql('shop', 'SET ROLE reader; SELECT count(*) > 0 FROM sellometer.purchase_brand_ten'), 't', 'what reads goes on');

value('ALTER EXTENSION sellometer UPDATE');
is(value(q{SELECT extversion FROM pg_extension WHERE extname = 'sellometer'}), $next, 'the extension is of the next version');
is(value('SELECT wish IS NULL FROM sellometer.sources; SELECT sellometer_wish(\'x\'); SELECT wish FROM sellometer.wishes'), "t\n\nx",
	'... with what is new in it');
wait_until_loaded($node);
cmp_ok(value(q{SELECT count(*) FROM sellometer.objects WHERE state = 'done'}), '>', @first, 'the worker goes on by itself');
is(value(q{SELECT string_agg(name, ' ' ORDER BY position) FROM sellometer.tiers}), 'minute ten hour', 'the tiers are those that there were');
is($node->safe_psql('shop', 'SET ROLE reader; SELECT count(*) > 0 FROM sellometer.purchase_brand_ten'), 't', 'readers read');

# What an update makes is what CREATE EXTENSION makes.
sub members_of
{
	my ($database) = @_;

	return $node->safe_psql($database, q{
		SELECT pg_describe_object(classid, objid, objsubid), CASE classid
			WHEN 'pg_proc'::regclass THEN (SELECT md5(prosrc || coalesce(proconfig::text, '') || coalesce(proacl::text, '')) FROM pg_proc WHERE oid = objid)
			WHEN 'pg_class'::regclass THEN (SELECT string_agg(attname || format_type(atttypid, atttypmod) || attnotnull, ',' ORDER BY attname)
				FROM pg_attribute WHERE attrelid = objid AND attnum > 0 AND NOT attisdropped) END
		FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
			AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'sellometer')
		ORDER BY 1, 2});
}
$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION sellometer');
$node->safe_psql('shop', q{SELECT sellometer_drop_tier('ten', discard => true)});
is(members_of('shop'), members_of('fresh'), 'an extension that was updated has the members of a new one');

# --- a library that is older than the extension ---

output_of('cp', '--remove-destination', output_of($old_pg, '--pkglibdir') . '/sellometer.so', $library);
$mark = -s $node->logfile;
$node->restart;
ok($node->wait_for_log(qr/of version \Q$next\E in this database, the library of version \Q$this\E.*install the newer library and restart/s, $mark),
	'the worker of an older library says what to do');
install_release();
$node->restart;
link_object($all, $in, $_) foreach (@files);
wait_until_loaded($node);
oracle_load($node, $in);
is(join("\n", grep { defined } (tier_differences($node))[ 0 .. 9 ]), '', 'after all of it the tiers agree with the oracle');
like(output_of('psql', '-X', '-f', "$scripts/sellometer--$this--$next.sql", $node->connstr('shop')), qr/^Use "ALTER EXTENSION sellometer UPDATE"/,
	'the script by itself only says how it is used');

# --- each release so far ---

for my $script (glob "$root/test/upgrade/sellometer--*.sql")
{
	my ($version) = $script =~ /--(.*)\.sql$/;
	my $database = "from $version";

	output_of('cp', $script, $scripts);
	$node->safe_psql('postgres', qq{CREATE DATABASE "$database"});
	$node->safe_psql($database, "CREATE EXTENSION sellometer VERSION '$version'; ALTER EXTENSION sellometer UPDATE");
	is(members_of($database), members_of('fresh'), "the update from $version gives the members of a new extension");
}

$node->stop;
done_testing();
