# What is set in the dashboards' database of nodes reaches all of them or none, by whoever may set it there and nobody else; where nodes are
# set up differently, health tells.
use strict;
use warnings FATAL => 'all';

use SlmSlices;
use SlmTest;
use SlmTiers;
use Test::More;

my $node = slm_node('nodes_set', conf => tier_conf() . "sellometer.database = ''\nmax_connections = 50\n");
my $far = slm_node('far', conf => tier_conf() . "sellometer.database = ''\n", extension => 0);
my @slices = make_slices($node, 'file://' . slm_directory($node, 'set') . '/', 3);

sub dash { my ($sql, @more) = @_; return $node->safe_psql('dash', $sql, @more); }
sub fails { my ($sql, @more) = @_; return ($node->psql('dash', $sql, @more))[2]; }
sub on_nodes { my ($command, $more) = @_; return 'SELECT * FROM sellometer_on_nodes($$' . $command . '$$' . ($more // '') . ')'; }
sub everywhere { my ($sql) = @_; return join(' ', map { $_->[0]->safe_psql($_->[1], $sql) } [ $node, 's0' ], [ $node, 's1' ], [ $far, 's2' ], [ $node, 'dash' ]); }
sub alike { return dash(q{SELECT severity || ': ' || detail FROM sellometer.health WHERE name = 'nodes alike'}); }

# the third is on a server of its own
$far->safe_psql('postgres', 'CREATE DATABASE s2');
$far->safe_psql('postgres', q{ALTER DATABASE s2 SET sellometer.slice = '2/3'});
$far->safe_psql('s2', q{CREATE EXTENSION sellometer});
$far->safe_psql('s2', q{SELECT sellometer_add_source('a', url) FROM (VALUES ('} . $node->safe_psql('s0', 'SELECT url FROM sellometer.sources') . q{')) v (url)});
foreach my $server ($node, $far)
{
	$server->safe_psql('postgres', 'CREATE ROLE asker LOGIN; CREATE ROLE setter LOGIN SUPERUSER; CREATE ROLE other LOGIN');
}
$node->safe_psql('postgres', 'CREATE DATABASE dash');
dash('CREATE EXTENSION sellometer; CREATE EXTENSION postgres_fdw; CREATE EXTENSION dblink');
like(fails(on_nodes('SELECT 1')), qr/this database shows no nodes/, 'nothing to set');
for my $database (@slices)
{
	my $server = $database eq 's2' ? $far : $node;

	$server->safe_psql($database, q{SELECT sellometer_grant_reader('asker')});
	dash("SELECT sellometer_add_node('$database', \$\$host=" . $server->host . ' port=' . $server->port . " dbname=$database user=asker password=x\$\$)");
}
is(alike(), 'ok: all that can be asked are set up alike', 'they are alike');

# --- who may ---

my $mute = q{SELECT sellometer_mute('price_anomaly', '42', 'infinity')};
like(fails(on_nodes($mute), extra_params => [ '-U', 'other' ]), qr/permission denied for function sellometer_on_nodes/, 'not anybody');
dash(q{SELECT sellometer_grant_reader('other'); GRANT EXECUTE ON FUNCTION sellometer_on_nodes TO other});
my $error = fails(on_nodes($mute), extra_params => [ '-U', 'other' ]);
like($error, qr/node s0: user mapping not found for "other"/, 'not without a user mapping');
like($error, qr/GRANT USAGE ON FOREIGN SERVER sellometer_node_s0 TO other; CREATE USER MAPPING FOR other SERVER sellometer_node_s0/, '... which is told');
$error = fails(on_nodes($mute));
like($error, qr/node s0: permission denied for function sellometer_mute/, 'not by the role that reads');
like($error, qr/that of the extension's owner only reads/, '... which is told');
is(everywhere('SELECT count(*) FROM sellometer.mutes'), '0 0 0 0', '... and nothing was done');
dash("CREATE USER MAPPING FOR setter SERVER sellometer_node_$_ OPTIONS (user 'setter', password 'x')") foreach (@slices);
my @setter = (extra_params => [ '-U', 'setter' ]);

# --- all, or nothing ---

is(dash(on_nodes($mute), @setter), "s0|1\ns1|1\ns2|1\n|1", 'one call reaches all');
is(everywhere('SELECT count(*) FROM sellometer.mutes'), '1 1 1 1', '... and this database');
is(dash(on_nodes(q{INSERT INTO sellometer.inventory VALUES (1, 5, '2019-10-01', '1 day'), (2, 5, '2019-10-01', '1 day')}, ', false'), @setter), "s0|2\ns1|2\ns2|2", 'a table, on nodes only');
is(everywhere('SELECT count(*) FROM sellometer.inventory'), '2 2 2 0', '... it is there');
dash(on_nodes($_), @setter) foreach (q{SELECT sellometer_override_category('a.b.c', category_id => 7, since => '2019-10-01')}, q{SELECT sellometer_override_brand('acme', brand => 'amce', since => '2019-10-01')},
	q{INSERT INTO sellometer.calendar VALUES ('2019-11-29', '2019-11-30', 3, 'sale')}, q{INSERT INTO sellometer.currency_rates VALUES ('EUR', '2019-01-01', 1.1)},
	q{SELECT sellometer_add_tier('day', '1 day', '1 year')}, q{SELECT sellometer_add_dimension('country')}, q{SELECT sellometer_alter_tier('minute', retention => '30 hours')});
is(everywhere(q{SELECT string_agg(name || retention, ',' ORDER BY position) FROM sellometer.tiers}), join(' ', ('minute30:00:00,hour1 mon,day1 year') x 4), 'tiers');
is(everywhere(q{SELECT count(*) FROM sellometer.view_country_day}), '0 0 0 0', 'a dimension of one\'s own, in the added tier');
is(dash(q{SELECT count(*) FROM sellometer_top('country', 'view', '-infinity', 'infinity')}), '0', '... asked of all nodes');
is(alike(), 'ok: all that can be asked are set up alike', 'they are alike still');
dash(on_nodes(q{SELECT sellometer_drop_dimension('country')}), @setter);
is(dash(q{SELECT count(*) FROM sellometer_top('brand', 'view', '-infinity', 'infinity')}), '0', 'a dimension is dropped everywhere, and all else is asked as before');
my $database_setting = q{DO $do$ BEGIN EXECUTE format('ALTER DATABASE %I SET sellometer.view_window = %L', current_database(), '12h'); END $do$;};
dash(on_nodes($database_setting), @setter);
is(everywhere('SHOW sellometer.view_window'), '12h 12h 12h 12h', 'a setting');

$far->safe_psql('s2', q{SELECT sellometer_override_brand('acme', brand => 'acem', since => '2019-10-01')});
$error = fails(on_nodes(q{INSERT INTO sellometer.overridden_brands (brand, counts_as, since) VALUES ('acem', 'acme', '2019-10-01')}), @setter);
like($error, qr/node s2: duplicate key/, 'what one refuses is told, with its name');
is(everywhere('SELECT count(*) FROM sellometer.overridden_brands'), '1 1 2 1', '... and done by none');
like(fails(on_nodes('CALL sellometer_relabel_brand(\'x\', \'y\')'), @setter), qr/node s0: /, 'what commits by itself can\'t be done so');
is(everywhere(q{SELECT count(*) FROM sellometer.overridden_brands WHERE brand = 'y'}), '0 0 0 0', '... and is not');

# --- what differs is told ---

like(alike(), qr/^warning: they are not set up alike: overrides of brands \(s0: 1 rows, (\w+); s1: 1 rows, \1; s2: 2 rows, \w+; here: 1 rows, \1\)$/, 'a node that differs');
$far->safe_psql('s2', q{DELETE FROM sellometer.overridden_brands WHERE brand = 'acem'});
is(alike(), 'ok: all that can be asked are set up alike', '... and does no more');
$far->safe_psql('postgres', q{ALTER DATABASE s2 SET sellometer.view_window = '13h'});
like(alike(), qr/setting sellometer\.view_window \(s0: 43200; s1: 43200; s2: 46800\)/, 'a setting');
$far->safe_psql('postgres', q{ALTER DATABASE s2 SET sellometer.view_window = '12h'});
dash(on_nodes('SELECT sellometer_reminder_opt_out(7)', ', false'), @setter);
is(everywhere('SELECT count(*) FROM sellometer.reminder_opt_outs'), '1 1 1 0', 'who wants no reminders is told to all nodes');
is(alike(), 'ok: all that can be asked are set up alike', '... which are alike');
$node->safe_psql('s1', q{SELECT sellometer_reminder_opt_out(7, false)});
like(alike(), qr/opted out of reminders \(s0: 1 (\w+); s1: 0; s2: 1 \1\)/, '... and who wants none by one alone is told');
$node->safe_psql('s1', q{SELECT sellometer_reminder_opt_out(7)});
$node->safe_psql('s1', q{SELECT sellometer_alter_tier('day', retention => '2 years')});
like(alike(), qr{tier day \(s0: 1 day 1 year UTC; s1: 1 day 2 years UTC; s2: 1 day 1 year UTC; here: 1 day 1 year UTC\)}, 'a tier');
$node->safe_psql('s1', q{SELECT sellometer_alter_tier('day', retention => '1 year')});
$far->safe_psql('postgres', q{ALTER DATABASE s2 SET sellometer.slice = '1/3'});
like(dash(q{SELECT severity || detail FROM sellometer.health WHERE name = 'node s2'}), qr{^criticalhas slice 1/3}, 'a slice');
like(fails($_), qr{node "s2" has slice 1/3 by now, not 2/3}, '... which is an error of what is asked') foreach ("SELECT * FROM sellometer_top('brand', 'view', '-infinity', 'infinity')", "SELECT * FROM sellometer_total('view', '-infinity', 'infinity')");
$far->safe_psql('postgres', q{ALTER DATABASE s2 SET sellometer.slice = '2/3'});

dash(q{INSERT INTO sellometer.inventory VALUES (1, 5, '2019-10-01', '1 day')});
like(alike(), qr/inventory \(s0: 2 .*; here: 1 /, 'stock that stands here, where nothing is counted');
dash('DELETE FROM sellometer.inventory');
is(alike(), 'ok: all that can be asked are set up alike', '... and on nodes alone');

# --- a node that is not there ---

$far->stop;
$error = fails(on_nodes($mute =~ s/42/43/r), @setter);
like($error, qr/node s2: could not establish connection/, 'a node that is down is told with its name');
is(join(' ', map { $node->safe_psql($_, 'SELECT count(*) FROM sellometer.mutes') } qw(s0 s1 dash)), '1 1 1', '... and nothing was done elsewhere');
$far->start;
dash(on_nodes($mute =~ s/42/43/r), @setter);
is(everywhere('SELECT count(*) FROM sellometer.mutes'), '2 2 2 2', '... until it is there again');
unlike(fails(on_nodes('SELECT nonsense'), @setter), qr/password/, 'no password is told');
$_->stop foreach ($node, $far);
done_testing();
