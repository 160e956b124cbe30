# Each panel of the dashboards shows what an oracle says, on known data with an outage, late files, odd names and a past that is
# partly kept; at three ranges, as the dashboards open and with things chosen, for browsers in three time zones.
use strict;
use warnings FATAL => 'all';

use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils;
use SlmGrafana;
use SlmTest;
use Test::More;

my $node = slm_node('values', conf => <<'CONF');
sellometer.database = ''
jit = off
fsync = off
CONF
my $dir = slm_directory($node, 'in');

sub write_known
{
	IPC::Run::run([ 'python3', '-B', slm_root() . '/test/grafana/check.py', 'write', $dir, @_ ]) or die 'no known data';
	return;
}

$node->safe_psql('shop', q{SELECT sellometer_add_dimension('place', separator => '/', levels => 2, empty => 'nowhere')});
write_known();
$node->safe_psql('shop', qq{SELECT sellometer_add_source('shop', 'file://$dir/')});
$node->safe_psql('shop', 'CALL sellometer_ingest()');
$node->safe_psql('shop', 'CALL sellometer_rollup()');
write_known('--late');
$node->safe_psql('shop', "CALL sellometer_$_()") for qw(ingest merge_backlog rollup prune);
$node->safe_psql('shop', 'SELECT sellometer.fold_offers()');
is($node->safe_psql('shop', q{SELECT count(*) FROM sellometer.objects WHERE state NOT IN ('done', 'failed')}), '0', 'all is loaded');

$node->command_ok([ 'psql', '-X', '-q', '-d', $node->connstr('shop'), '-f', slm_root() . '/test/grafana/known.sql' ], 'and what else has happened is noted');
grafana_reader($node);
$node->safe_psql('shop', 'VACUUM ANALYZE');

# the bar of time is for larger data, see 060_grafana.pl; here values count
grafana_check($node, 500, 'values', '--admin' => $node->safe_psql('shop', 'SELECT CURRENT_USER'));

# Who may see rows is led to those behind a number.
my ($from, $to) = split(/\|/, $node->safe_psql('shop', "SELECT date_trunc('hour', head) - interval '2 hours', date_trunc('hour', head) - interval '1 hour' FROM sellometer.state"));
my ($movers) = grep { $_->{title} eq 'Movers' } @{ decode_json(slurp_file(slm_root() . '/grafana/dashboards/sales.json'))->{panels} };
my $sql = $movers->{targets}[0]{rawSql} =~ s/\$__timeFrom\(\)/'$from'/gr =~ s/\$__timeTo\(\)/'$to'/gr =~ s/\$\{dimension\}/brand/gr =~ s/\$\{event\}/purchase/gr =~ s/\$\{by\}/gmv/gr;
my $led = 0;
for my $row (split(/\n/, $node->safe_psql('shop', qq{SELECT to_json(m) FROM ($sql) m WHERE "GMV" > 0})))
{
	my $mover = decode_json($row);
	my $query = JSON::PP->new->allow_nonref->decode($mover->{query});

	is($node->safe_psql('shop', "SELECT sum(quantity), sum(price * quantity)::numeric(40, 4) FROM ($query) r WHERE verdict = 'counted'"),
		$node->safe_psql('shop', "SELECT $mover->{number}, $mover->{GMV}::numeric(40, 4)"), "the rows behind $mover->{name}");
	$led++;
}
cmp_ok($led, '>', 3, 'rows behind several brands');

$node->stop;
done_testing();
