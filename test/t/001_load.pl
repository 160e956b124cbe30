# The extension comes and goes cleanly, and the module exports what it should.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmTest;
use Test::More;

my $node = slm_node('load', extension => 0);

my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
chomp(my $libdir = `$pg_config --pkglibdir`);
chomp(my $sharedir = `$pg_config --sharedir`);
my ($version) = slurp_file("$sharedir/extension/sellometer.control") =~ /default_version = '(.*)'/;

# The install script by itself
{
	my ($status, $stdout) = $node->psql('shop', "\\i $sharedir/extension/sellometer--$version.sql");

	like($stdout, qr/^Use "CREATE EXTENSION sellometer" to load this file\.$/, 'the script says how it is to be run');
}

# Text is stored as it comes, in UTF-8
{
	my ($status, $stdout, $stderr);

	$node->safe_psql('postgres', "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
	($status, $stdout, $stderr) = $node->psql('latin', 'CREATE EXTENSION sellometer');
	like($stderr, qr/sellometer needs a database whose encoding is UTF8/, 'another encoding is refused');
}

# Create, drop, create again
my $leftovers = q{
	SELECT pg_describe_object(classid, objid, 0) FROM (
		SELECT 'pg_proc'::regclass AS classid, oid AS objid FROM pg_proc WHERE proname LIKE 'sellometer%'
		UNION ALL SELECT 'pg_namespace'::regclass, oid FROM pg_namespace WHERE nspname = 'sellometer'
		UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
			WHERE fdwname LIKE 'sellometer%'
		UNION ALL SELECT 'pg_event_trigger'::regclass, oid FROM pg_event_trigger WHERE evtname LIKE 'sellometer%'
	) AS objects};

for my $round ('first', 'second')
{
	$node->safe_psql('shop', 'CREATE EXTENSION sellometer');
	is($node->safe_psql('shop', "SELECT extversion FROM pg_extension WHERE extname = 'sellometer'"),
		$version, "created, $round time");
	is($node->safe_psql('shop', 'SELECT sellometer_gmv(price) FROM (VALUES (1.10), (2.20)) AS v (price)'),
		'3.30', "works, $round time");
	$node->safe_psql('shop', 'DROP EXTENSION sellometer');
	is($node->safe_psql('shop', $leftovers), '', "dropped without a trace, $round time");
}

# In a schema of the user's choice
$node->safe_psql('shop', 'CREATE SCHEMA metrics; CREATE EXTENSION sellometer SCHEMA metrics');
is($node->safe_psql('shop', 'SET search_path = pg_catalog; SELECT metrics.sellometer_gmv(1.5)'),
	'1.50', 'functions are in the schema that was named');
$node->safe_psql('shop', 'DROP EXTENSION sellometer; CREATE EXTENSION sellometer');

# Every object explains itself
is( $node->safe_psql('shop', q{
		SELECT pg_describe_object(classid, objid, 0)
		FROM pg_depend
		WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
			AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'sellometer')
			AND (classid IN ('pg_proc'::regclass, 'pg_namespace'::regclass, 'pg_foreign_data_wrapper'::regclass)
				OR classid = 'pg_class'::regclass AND (SELECT relkind FROM pg_class WHERE oid = objid) <> 'S'
				OR classid = 'pg_type'::regclass
					AND EXISTS (SELECT FROM pg_type AS t LEFT JOIN pg_class AS c ON c.oid = typrelid
						WHERE t.oid = objid AND typelem = 0 AND coalesce(relkind = 'c', true)))
			AND obj_description(objid, classid::regclass::name) IS NULL
		ORDER BY 1}),
	'', 'every object of the extension has a comment');

# What the module exports
my %exported;
for my $line (split(/\n/, `nm -D --defined-only '$libdir/sellometer.so'`))
{
	$exported{$1} = 1 if $line =~ /^\S+ [A-Z] (\S+)$/;
}
my @functions = split(/\n/, $node->safe_psql('shop', q{
	SELECT DISTINCT prosrc FROM pg_proc WHERE probin = '$libdir/sellometer' ORDER BY 1}));

ok($exported{Pg_magic_func} && $exported{_PG_init}, 'the module exports its magic and its entry point');
is(join(' ', grep { !/^(Pg_magic_func|_PG_init|(pg_finfo_)?sellometer_\w+)$/ } sort keys %exported),
	'', 'and nothing outside its own names');
ok(@functions > 20, 'there are functions in C');
is(join(' ', grep { !$exported{$_} || !$exported{"pg_finfo_$_"} } @functions), '', 'all of them are exported');
my %in_sql = map { ("pg_finfo_$_" => 1) } @functions;
is(join(' ', grep { /^pg_finfo_/ && !$in_sql{$_} } sort keys %exported),
	'', 'no function is exported for SQL that SQL does not have');

$node->stop;
done_testing();
