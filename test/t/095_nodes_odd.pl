# Nodes and a dashboards' database whose names, roles and schemas need quoting, and whose settings of a session are others: they answer as one database.
use strict;
use warnings FATAL => 'all';

use SlmHistory;
use SlmTest;
use Test::More;

my $node = slm_node('odd', conf => "sellometer.database = ''\nfsync = off\nmax_connections = 40\n");
my $dir = slm_directory($node, 'in');
my ($first, $second, $front, $role) = (q{N 0'ä"%}, 'n1', q{Front %s \d'}, q{Ask er"'x});

sub ident { my ($name) = @_; return '"' . $name =~ s/"/""/gr . '"'; }
sub literal { my ($text) = @_; return q{'} . $text =~ s/'/''/gr . q{'}; }
sub libpq { my ($text) = @_; return q{'} . $text =~ s/([\\'])/\\$1/gr . q{'}; }
sub in { my ($database, $sql) = @_; return $node->safe_psql($database, "SET client_min_messages = error; $sql"); }

for my $hour (1 .. 3)
{
	write_object($dir, "2019-10-01-0$hour-00-00.csv", csv(map { event(event_time => "2019-10-01 0$hour:00:00", product_id => $_, brand => 'b' . $_ % 3, user_session => "s$hour") } 1 .. 60 - 10 * $hour));
}
in('postgres', "CREATE DATABASE ${\ident($_)}") foreach ($first, $second, $front);
in('postgres', "CREATE ROLE ${\ident($role)} LOGIN");
in('postgres', "ALTER DATABASE ${\ident($first)} SET sellometer.slice = '0/2'");
in('postgres', "ALTER DATABASE $second SET sellometer.slice = '1/2'");
in('postgres', "ALTER DATABASE $second SET $_") foreach (q{timezone = 'Asia/Tokyo'}, q{datestyle = 'German'}, q{intervalstyle = 'sql_standard'}, q{search_path = 'nowhere'}, q{standard_conforming_strings = off}, q{bytea_output = 'escape'}, q{extra_float_digits = -3});
for my $database ('shop', $first, $second)
{
	in($database, 'CREATE SCHEMA "My s%"; CREATE EXTENSION sellometer SCHEMA "My s%"') if $database ne 'shop';
	in($database, "SET search_path = \"My s%\", public; $_") foreach ("SELECT sellometer_add_source('a', 'file://$dir/')", 'CALL sellometer_ingest()', 'CALL sellometer_rollup()', 'SELECT sellometer_grant_reader(' . literal(ident($role)) . ')');
}
in($front, 'CREATE SCHEMA "O t"; CREATE EXTENSION sellometer SCHEMA "O t"; CREATE SCHEMA fdw; CREATE EXTENSION postgres_fdw SCHEMA fdw; CREATE EXTENSION dblink SCHEMA fdw');
my $path = 'SET search_path = "O t", public; SET timezone = \'UTC\'; ';
for ([ 'n0', $first ], [ 'n1', $second ])
{
	in($front, $path . "SELECT sellometer_add_node('$_->[0]', " . literal('host=' . $node->host . ' port=' . $node->port . ' dbname=' . libpq($_->[1]) . ' user=' . libpq($role)) . ')');
}
for my $sql ("SELECT * FROM sellometer_top('product_id', 'view', '-infinity', 'infinity', 1000)", "SELECT * FROM sellometer_top('brand', 'view', '-infinity', 'infinity')", "SELECT * FROM sellometer_series('brand', 'view', 'b1', '-infinity', 'infinity', '1 hour')",
	"SELECT * FROM sellometer_movers('product_id', 'view', '2019-10-01 02:00Z', '2019-10-01 03:00Z')", 'SELECT x::text FROM sellometer.view_brand_hour x ORDER BY 1', 'SELECT source, head, failed_objects FROM sellometer.status', "SELECT sellometer_key_label('product_id', '7')")
{
	my ($is, $should) = map { in($_, $path . $sql) } $front, 'shop';

	isnt($should, '', 'there is something');
	is($is, $should, $sql);
}
in($front, 'ALTER USER MAPPING FOR postgres SERVER sellometer_node_' . $_ . q{ OPTIONS (SET user 'postgres')}) foreach ('n0', 'n1');
is(in($front, $path . q{SELECT count(*) FROM sellometer_on_nodes($$SELECT sellometer_mute('price_anomaly', '42', 'infinity')$$)}), 3, 'what is set reaches all');
$node->stop;
done_testing();
