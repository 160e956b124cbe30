# Texts with the same number, over slices: the node that has their products decides which of them counts, and keeps the rows of the others as
# rejected; the other nodes pass over both, whatever they have loaded first.  Each row is kept by one node, and all say the same of times.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: three).
use strict;
use warnings FATAL => 'all';

use File::Path qw(remove_tree);
use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmRandom;
use SlmSlices;
use SlmTest;
use Test::More;

my $node = slm_node('skus', conf => "sellometer.database = ''\nfsync = off\nmax_connections = 50\nsellometer.max_reject_fraction = 0.3\nsellometer.max_rejects_kept = 100000\nsellometer.debug_sku_bits = 5\n");
die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($node);
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-3') =~ /^(\d+)(?:-(\d+))?$/;
my @PRODUCTS = (1 .. 9, map { ("AB-$_", "ab-$_") } 1 .. 20);

sub irandom { return int rand $_[0]; }

# Some rows can't be used for what is in them, and some for their time: also those of texts that are refused.
sub make_file
{
	my $from = irandom(20) * 1800;
	my $content = "event_time,event_type,product_id,brand,price,user_session,product_name\n";

	for (0 .. irandom(chance(0.2) ? 600 : 60))
	{
		my $at = $from + irandom(5400);
		my $day = chance(0.01) ? '2019-12-24' : chance(0.01) ? '2030-01-01' : '2019-10-01';
		my $product = $_ == 0 ? 1 : pick(@PRODUCTS);
		my ($price, $brand) = (chance(0.05) ? '-1' : '1.50', chance(0.02) ? 'x' x 1001 : pick('', 'acme'));

		$content .= sprintf("%s %02d:%02d:%02d,%s,%s,%s,%s,s%d,n%s\n", $day, $at / 3600, $at / 60 % 60, $at % 60, pick(qw(view purchase cart)), $product, $brand, $price, irandom(9), $product);
	}
	return $content;
}

# What all nodes have of a query, one row after the other.
sub of_all
{
	my ($sql, @slices) = @_;

	return map { my $slice = $_; map { "$slice|$_" } split(/\n/, in_database($node, $slice, $sql)) } @slices;
}

sub history
{
	my ($seed) = @_;
	my $dir = slm_directory($node, "skus_$seed");
	my (%lines, @wrong, %rejected, %total, %kept);

	srand($seed);
	mkdir "$dir/$_" foreach (qw(now in));
	for my $n (1 .. 25)
	{
		my $content = make_file();
		my $key = sprintf('2019-10-01-%02d-00-%d.csv', irandom(12), $n);

		write_file("$dir/now/$key", $content);
		$lines{$key} = [ split(/\n/, $content) ];
	}
	my @slices = make_slices($node, "file://$dir/in/", 2 + irandom(3));
	in_database($node, $_, q(SELECT sellometer_set_format('a', '{"product_ids": "text"}', rows => 0))) foreach ('shop', @slices);
	my $small = 'SET sellometer.debug_chunk_rows = ' . pick(100, 300, 100000) . '; ';
	my @keys = sort keys %lines;

	# each has them in an order of its own
	for my $database ('shop', @slices)
	{
		for my $key (shuffled(@keys))
		{
			link_object("$dir/now", "$dir/in", $key);
			in_database($node, $database, $small . $_) foreach ('CALL sellometer_ingest()', chance(0.5) ? 'CALL sellometer_merge_backlog()' : ());
		}
		catch_up($node, $database);
		unlink "$dir/in/$_" foreach (@keys);
	}
	my $failed = in_database($node, 'shop', "SELECT count(*) FROM sellometer.objects WHERE state = 'failed'");
	is(join(' ', of_all("SELECT count(*) FROM sellometer.objects WHERE state = 'failed'", @slices)), join(' ', map { "$_|$failed" } @slices), "seed $seed: " . @slices . " slices, $failed of " . @keys . ' files fail on all of them');
	is(join(' ', of_all('SELECT head FROM sellometer.state', @slices)), join(' ', map { "$_|" . in_database($node, 'shop', 'SELECT head FROM sellometer.state') } @slices), '... heads agree');

	# each row is kept once
	foreach (of_all("SELECT key, rows_total, rows_counted + rows_duplicate + rows_rejected + rows_expired FROM sellometer.objects WHERE state = 'done'", @slices))
	{
		my (undef, $key, $total, $kept) = split(/\|/);

		$total{$key} = $total;
		$kept{$key} += $kept;
	}
	is(join(' ', grep { $total{$_} != $kept{$_} } sort keys %total), '', '... each row is kept by one node');
	foreach (of_all("SELECT r.key, r.line, r.reason FROM sellometer.rejected_rows r JOIN sellometer.objects o ON o.id = r.object_id AND o.state = 'done'", @slices))
	{
		my ($slice, $key, $line, $reason) = split(/\|/);

		push @wrong, "$key $line is rejected twice" if $rejected{$key}{$line};
		push @wrong, "$key $line is for slice 0" if $reason ne 'sku_taken' && $slice ne 's0';
		$rejected{$key}{$line} = $reason;
	}
	my %of = map { my ($slice, $sku) = split(/\|/); ($sku => $slice) } of_all('SELECT sku FROM sellometer.skus', @slices);
	my %other = map { my ($slice, $sku) = split(/\|/); ($sku => $slice) } of_all('SELECT sku FROM sellometer.sku_collisions', @slices);
	push @wrong, map { "$_ is both" } grep { $of{$_} } keys %other;
	ok(%other > 0, '... there are texts with the same number');
	for my $key (sort keys %total)
	{
		for my $n (1 .. $#{ $lines{$key} })
		{
			my (undef, undef, $product, $brand, $price) = split(/,/, $lines{$key}[$n]);
			my $reason = $rejected{$key}{ $n + 1 } // '';

			push @wrong, "$key $n: $product is " . ($reason || 'not rejected') if $price > 0 && length($brand) < 9 && $lines{$key}[$n] =~ /^2019-10/ && ($reason eq 'sku_taken') != ($product =~ /\D/ && !$of{$product});
			push @wrong, "$key $n: no price, and " . ($reason || 'not rejected') if $price < 0 && $reason ne 'bad_price';
		}
	}
	is(join("\n", splice(@wrong, 0, 20)), '', '... rows of a text are rejected if another one has its number, and all of them, and for that only where nothing else is wrong');
	@wrong = of_all('SELECT sku, sellometer_slice_of(product_id, ' . @slices . ') FROM sellometer.skus', @slices);
	is(join(' ', grep { !/^s(\d+)\|.*\|\1$/ } @wrong), '', '... texts are known where their products are');
	is(join("\n", of_all("SELECT name, detail FROM sellometer_check() WHERE NOT ok AND name IN ('ledger', 'tiers', 'totals')", @slices)), '', '... each is in order');

	# rows behind sums say the same
	link_object("$dir/now", "$dir/in", $_) foreach (@keys);
	my ($taken, $told) = (0, 0);
	foreach (of_all(q{SELECT (SELECT count(*) FROM sellometer_events(NULL, NULL, '-infinity', 'infinity') WHERE reason = 'sku_taken'),
		(SELECT count(*) FROM sellometer.rejected_rows r JOIN sellometer.objects o ON o.id = r.object_id AND o.state = 'done' WHERE reason = 'sku_taken')}, @slices))
	{
		my @n = split(/\|/);

		$told += $n[1];
		$taken += $n[2];
	}
	is($told, $taken, '... rows behind sums are told to be rejected by the same nodes') if $taken;
	remove_tree($dir);
	return;
}

history($_) foreach ($first .. $last // $first);
$node->stop;
done_testing();
