
=pod

=head1 NAME

SlmAsking - what is asked of all nodes, held against one database that counts all products

=head1 SYNOPSIS

  same_answers('loaded', $node, $front, 'shop', qw(s0 s1));

=cut

package SlmAsking;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use SlmRandom;
use SlmSlices;
use Test::More;

our @EXPORT = qw(let_ask questions same_answers);

=pod

=head1 FUNCTIONS

=over

=item let_ask($node, $database)

Role asker may be told what this database has, the rows behind a sum too.

=cut

sub let_ask
{
	my ($node, $database) = @_;

	$node->safe_psql($database, "SELECT sellometer_grant_reader('asker'); GRANT EXECUTE ON FUNCTION sellometer.own_events TO asker; GRANT SELECT ON sellometer.told_events TO asker");
	return;
}

=pod

=item questions($node)

Statements about what database shop of this server has, of each public call and view, with random arguments.  Each gives a text; rows of
sets in no order are sorted.

=cut

sub questions
{
	my ($node) = @_;
	my $d = pick(qw(product_id brand category_l1 category_l2 category_l3));
	my $e = pick(qw(view cart remove_from_cart purchase));
	my ($from, $to) = map { $node->safe_psql('shop', "SELECT quote_literal(date_trunc('minute', min(event_time) + (max(event_time) - min(event_time) + interval '2 minutes') * $_)) FROM sellometer.all_totals") }
		sort(rand, rand);
	($from, $to) = (q{'-infinity'}, q{'infinity'}) if chance(0.3);
	my $day = $from eq "'-infinity'" ? "'2019-10-09'" : $from;
	my $back = pick('NULL', "'1 hour'", "'1 day'", "'17 min'");
	my $by = pick('gmv', 'count');
	my $n = pick(1, 3, 10, 1000);
	my $step = pick('1 min', '7 min', '1 hour', '1 day');
	my $keys = "(SELECT array_agg(key ORDER BY md5(key)) FROM (SELECT key FROM sellometer_top('$d', 'view', '-infinity', 'infinity', 30) ORDER BY md5(key) LIMIT 5) k)";
	my $brands = pick('NULL', "(SELECT array_agg(key) FROM sellometer_top('brand', 'view', '-infinity', 'infinity', 3))");
	my $categories = pick('NULL', "(SELECT array_agg(key) FROM sellometer_top('category_l" . pick(1, 2, 3) . "', 'view', '-infinity', 'infinity', 2))");

	return ((map { "SELECT * FROM $_" }
			"sellometer_top('$d', '$e', $from, $to, $n, '$by')", "sellometer_total('$e', $from, $to)",
			"sellometer_series('$d', '$e', NULL, $from, $to, '$step', " . pick('true', 'false') . ')',
			"sellometer_series_of('$d', '$e', $keys, $from, $to, '$step', " . pick('true', 'false') . ')',
			"sellometer_total('$d', '$e', $keys, $from, $to)", "sellometer_top_of('$d', '$e', $brands, $categories, $from, $to, $n, '$by')",
			"sellometer_compare('$d', '$e', NULL, $day, $to, $back)",
			"sellometer.${e}_${d}_rank"),
		(map { "SELECT x::text FROM $_ x ORDER BY 1" } "sellometer.${e}_${d}_minute", "sellometer.${e}_${d}_hour", '(SELECT product_id, price, since FROM sellometer.left_in_cart)', 'sellometer.all_sold_products',
			"sellometer_movers('$d', '$e', '2019-10-09', 'infinity', '1 hour', 1000)", "(SELECT row_number() OVER (), m.* FROM sellometer_movers('$d', '$e', $day, $to, $back, $n, '$by') m)",
			"(SELECT row_number() OVER (), m.* FROM sellometer_movers('product_id', '$e', $day, $to, $back, $n, '$by') m)",
			"sellometer_events('$d', " . pick('NULL', "(SELECT key FROM sellometer_top('$d', '$e', '-infinity', 'infinity', 1))") . ", $from, $to" . pick('', ", '$e'") . ')'),
		'SELECT source, head, pending_objects, backlog_objects, failed_objects, head_of_all FROM sellometer.status');
}

=pod

=item same_answers($what, $node, $front, $database, @slices)

A test: a database of server $front, which shows what the slices on $node have, answers as shop does, which counts all.

=back

=cut

sub same_answers
{
	my ($what, $node, $front, $database, @slices) = @_;
	my @wrong;

	# which products a brand has is known when offers are folded
	in_database($node, $_, 'SELECT FROM sellometer.fold_offers()') foreach ('shop', @slices);
	for my $sql (questions($node))
	{
		my @answers = map { join("\n", (($_->[0]->psql($_->[1], "SET client_min_messages = error; $sql"))[ 1, 2 ])) } ([ $node, 'shop' ], [ $front, $database ]);

		push @wrong, "$sql\nis: $answers[1]\nnot: $answers[0]" if $answers[0] ne $answers[1] || $answers[0] =~ /ERROR/;
	}
	return is(substr(join("\n", @wrong), 0, 3000), '', "$what: the same answers");
}

1;
