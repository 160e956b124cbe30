
=pod

=head1 NAME

SlmFormats - files in formats of their own, made of known rows

=head1 SYNOPSIS

  my $object = format_object(17);                 # seed 17
  write_object("$dir/17", $object->{key}, $object->{content});
  $node->safe_psql('shop', "SELECT sellometer_add_source('17', 'file://$dir/17/', format => " . format_literal($object) . ')');
  known_load($node, $object);                     # into the oracle: then SELECT oracle.build()

  my $writer = format_writer(seed => 18, own => [ 'channel' ]);      # the same for several files, of rows of one's own
  my $file = written($writer, 'a.csv', { second => 90, event_type => 'view', product_id => 7, price => '9.9000', channel => 'web' });

=head1 WHAT IS RANDOM

From the seed come the format and the rows: names or numbers of columns, what is constant or joined, what events are called and which are
passed over, delimiter, quotes, escapes, line ends, encoding, forms of times and their zone, decimal commas, thousands, minor units,
columns without a role, products that are texts, pieces, names, currencies, comments, a header that comes again, packing. Some rows are bad, each
by one known reason.

What must come of it is known from what was drawn, never by reading what was written. Times of a zone are known as its wall clock shows
them, those of an object between 00:00 and 04:30 on the day on which Europe's clocks go back: SQL turns them into UTC.

=cut

package SlmFormats;

use strict;
use utf8;
use warnings FATAL => 'all';

use Encode qw(decode encode);
use Exporter 'import';
use IO::Compress::Bzip2 qw(bzip2 $Bzip2Error);
use JSON::PP;
use POSIX qw(strftime);
use PostgreSQL::Test::Utils;
use SlmRandom;
use SlmTest;

our @EXPORT = qw(format_object format_writer written format_literal known_load);

my @REQUIRED = qw(event_time event_type product_id price);
my @OPTIONAL = qw(category_id category_code brand user_id user_session quantity event_id currency product_name);
# of oracle.known, beside what an object is
my @KNOWN = (@REQUIRED, @OPTIONAL, qw(channel region));
my %EVENTS = (view => [ 'view', 'View', 'page_view', 'Product Viewed' ], cart => [ 'cart', 'addtocart', 'add_to_cart' ],
	remove_from_cart => [ 'remove_from_cart', 'Removed!' ], purchase => [ 'purchase', 'transaction', 'order', 'Käufe' ]);
my $DAY = 1572134400;	# 2019-10-27
my %NAIVE = (time => 'iso', delimiter => ',', decimal => '.');		# what files without a format are like

# --- the format ---

sub draw_format
{
	my $time = pick(qw(iso iso mdy dmy s ms us));
	my $decimal = pick('.', '.', ',');
	my $minor = chance(0.2) ? pick(0 .. 4) : undef;
	my $delimiter = pick(',', ';', "\t", '|', '~');
	my %format = (time => $time, delimiter => $delimiter, decimal => $decimal);

	$format{time_zone} = pick('Europe/Berlin', 'Europe/Helsinki', 'Atlantic/Azores', 'Asia/Kolkata', 'UTC') if $time !~ /s$/ && chance(0.6);
	$format{thousands} = pick(grep { $_ ne $decimal } '.', ',', ' ', "'") if chance(0.4);
	$format{minor_units} = $minor if defined $minor;
	$format{quote} = pick("'", 'none') if chance(0.3);
	# without quotes nothing else may look like the delimiter
	$format{delimiter} = '~' if ($format{quote} // '') eq 'none';
	$format{escape} = 'backslash' if chance(0.3);
	$format{encoding} = pick('cp1252', 'latin1', 'utf8') if chance(0.5);
	$format{header} = JSON::PP::false if chance(0.3);
	$format{product_ids} = 'text' if chance(0.3);
	return \%format;
}

# What the events are called; without a name of its own for one that has its own already.
sub draw_events
{
	my ($object) = @_;

	foreach my $type (sort keys %EVENTS)
	{
		my $name = pick(@{ $EVENTS{$type} });

		$object->{event_name}{$type} = $object->{named} ? $name : $type;
		$object->{format}{events}{$name} = $type if $object->{named} && $name !~ /^(view|cart|remove_from_cart|purchase)$/i;
	}
	$object->{format}{events}{'not wanted'} = undef if $object->{named};
	$object->{format}{events} //= {} if $object->{named};
	return;
}

# Which columns there are, in which order, and what the format says of them.
sub draw_columns
{
	my ($object) = @_;
	my $format = $object->{format};
	my @roles = grep { chance(0.75) } @OPTIONAL;
	my $own = $format->{header} // 1;
	my $number = 0;
	my @columns;

	foreach my $role (@REQUIRED, @roles)
	{
		my $constant = { event_type => 'purchase', price => $object->{format}{minor_units} ? '250' : '2', brand => 'all of one', category_code => 'toys',
			currency => 'eur' }->{$role};

		if ($object->{naive}) { push @columns, [$role]; }
		elsif (defined $constant && chance(0.15)) { $format->{constants}{$role} = $object->{constant}{$role} = $constant; }
		elsif ($role =~ /^(user_session|event_id)$/ && chance(0.3)) { push @columns, [ $role, 0 ], [ $role, 1 ]; }
		else { push @columns, [$role]; }
	}
	@columns = shuffled(@columns, (map { ["note$_"] } 1 .. int rand 3), map { [$_] } grep { $own && chance(0.8) } @{ $object->{own} });
	foreach my $column (@columns)
	{
		my ($role, $part) = @$column;

		$number++;
		if ($object->{naive} || grep { $_ eq $role } @{ $object->{own} })
		{
			$column->[2] = pick($role, ucfirst $role);
			next;
		}
		$column->[2] = $role =~ /^note/ ? pick($role, 'Ünit', $object->{plain} ? '' : "a;b,c|d $number", '') : !defined $part && chance(0.3) ? pick($role, uc $role) : "$role of mine$number";
		next if $role =~ /^note/ || (lc $column->[2] eq $role && ($format->{header} // 1));
		my $says = !($format->{header} // 1) || chance(0.1) ? $number : pick($column->[2], " \U$column->[2] ");
		if (defined $part) { $format->{columns}{$role}[$part] = $says; } else { $format->{columns}{$role} = $says; }
	}
	return @columns;
}

# --- rows ---

# As it could be written without a format, by its wall clock.
sub any_row
{
	my ($object) = @_;
	my $seed = $object->{seed};
	my @products = map { $seed * 1000 + $_ } 0 .. 8;

	return {
		second => int rand 4.5 * 3600, micros => pick(0, 0, 0, 1, 123_456, 500_000),
		event_type => pick(qw(view view view cart remove_from_cart purchase)),
		product_id => pick(@products, $object->{format}{product_ids} ? ("0$products[0]", "sku;$seed/1", "Sku|$seed", "$products[1].0", "$seed Ä~\'1") : ()),
		category_id => pick('', $seed * 1000 + int(rand 3)),
		category_code => pick('', "c$seed", "c$seed.phone", "c$seed.é.b"),
		brand => pick('', "b$seed", "B; $seed, or | and ~", "say \"$seed\" 'x'", "two\nlines $seed", "Ünï $seed", "a\\b $seed"),
		price => sprintf('%d.%04d', pick(0, int rand 9, int rand 2000, int rand 3_000_000), pick(0, 5000, 100 * int rand 100)),
		user_id => pick('', 1 + int rand 99),
		user_session => pick('', map { "f$seed-s$_" } 1 .. 6),
		quantity => pick('', '', 1, 2, 3, 12, 1000),
		event_id => pick('', map { "o$seed-$_" } 1 .. 12),
		currency => pick('', '', 'USD', 'EUR', 'eur', 'JPY', chance(0.1) ? pick('CHF', 'francs') : ''),
		product_name => pick('', "Lamp $seed", "lämp; $seed", "a \"lamp\" | $seed"),
		channel => pick('web', 'app', '', '-', 'Ä'), region => pick('eu/de/be', 'eu/fr', 'eu', '', '/x', 'us//ny') };
}

# What of it can be written, and so is to be counted: less where the form of times has no seconds, or of prices no decimals, or a column is missing.
sub known_row
{
	my ($object, $any) = @_;
	my $format = $object->{format};
	my %row = ((map { ($_ => '') } @KNOWN), micros => 0, %$any);

	$row{second} -= $row{second} % 60 if $object->{minutes};
	$row{micros} = 0 if $object->{minutes} || !$object->{fractions};
	$row{micros} -= $row{micros} % 1000 if $format->{time} eq 'ms';
	$row{event_time} = strftime('%Y-%m-%d %H:%M:%S', gmtime($DAY + $row{second})) . sprintf('.%06d', $row{micros});
	$row{brand} =~ tr/A-Za-z0-9//cd if $object->{plain};
	$row{product_name} =~ tr/A-Za-z0-9//cd if $object->{plain};
	$row{product_id} =~ s/[^A-Za-z0-9. ;|\/]//g if $object->{plain};
	$row{price} = int($row{price} * 10**$format->{minor_units} + 0.001) / 10**$format->{minor_units} if defined $format->{minor_units};
	$row{price} = sprintf('%.4f', $row{price});
	return \%row;
}

# --- how values are written ---

sub spell_time
{
	my ($object, $row) = @_;
	my $form = $object->{format}{time};
	my @at = gmtime($DAY + $row->{second});
	my $h = $at[2];
	my $fraction = $row->{micros} ? sprintf('.%06d', $row->{micros}) =~ s/0+$//r : '';
	my $half = $object->{halves} ? ($h < 12 ? ' AM' : ' pm') : '';
	my $hour = $half eq '' ? $h : ($h % 12) || 12;
	my $clock = sprintf($form eq 'iso' ? '%02d:%02d' : '%d:%02d', $hour, $at[1]) . ($object->{minutes} ? '' : sprintf(':%02d', $at[0]) . $fraction) . $half;
	my $on = sub { strftime($_[0], @at) };

	return $DAY + $row->{second} . $fraction if $form eq 's';
	return ($DAY + $row->{second}) * 1000 + $row->{micros} / 1000 if $form eq 'ms';
	return ($DAY + $row->{second}) * 1_000_000 + $row->{micros} if $form eq 'us';
	return $on->(pick('%Y-%m-%d ', '%Y-%m-%dT')) . $clock if $object->{naive};
	return $on->(pick('%Y-%m-%d ', '%Y/%m/%d ', '%Y%m%dT')) . $clock if $form eq 'iso';
	return $on->($form eq 'mdy' ? pick('%m/%d/%Y ', '%m-%d-%y ') : pick('%d.%m.%Y ', '%d/%m/%y ')) . $clock;
}

sub spell_price
{
	my ($object, $price) = @_;
	my $format = $object->{format};
	my ($whole, $decimals) = $price =~ /^(\d+)\.(\d+)$/;
	my $separator = $format->{thousands} // '';

	return sprintf('%.0f', $price * 10**$format->{minor_units}) if $format->{minor_units};
	$decimals =~ s/0+$//;
	if ($separator ne '' && chance(0.7))
	{
		$separator = pick(' ', "\x{a0}") if $separator eq ' ';
		1 while $whole =~ s/^(\d+)(\d{3})/$1$separator$2/;
	}
	return $decimals eq '' ? $whole : "$whole$format->{decimal}$decimals";
}

# Pieces are whole numbers, written as numbers are.
sub spell_quantity
{
	my ($object, $quantity) = @_;

	return $quantity if $quantity eq '' || chance(0.7);
	return pick($quantity . $object->{format}{decimal} . '0', "+$quantity", "0$quantity");
}

my %BAD = (
	bad_time => [ 'event_time', 'yesterday', '99/99/2019', '2019-13-45 00:00', 'x' ],
	bad_price => [ 'price', 'free', '-5', '1,2,3.4.5', '1..2' ],
	bad_product_id => [ 'product_id', 'x-7', '7.5', '' ],
	bad_event_type => [ 'event_type', '' ],
	bad_quantity => [ 'quantity', '0', '-1', 'x', '100001', '1 2' ],
	column_count => [ undef, 'fewer', 'more' ]);

# A field, quoted as the format has it.
sub field
{
	my ($object, $text) = @_;
	my $format = $object->{format};
	my $quote = $format->{quote} // '"';
	my $backslash = defined $format->{escape};

	if ($quote eq 'none')
	{
		return $text unless $backslash;
		return $text =~ s/([\\\r\n]|\Q$format->{delimiter}\E)/\\$1/gr;
	}
	return $backslash ? $text =~ s/\\/\\\\/gr : $text if $text !~ /[\r\n\Q$format->{delimiter}\E]|$quote/ && chance(0.7);
	return $quote . ($backslash ? $text =~ s/([\\$quote])/\\$1/gr : $text =~ s/$quote/$quote$quote/gr) . $quote;
}

sub row_line
{
	my ($object, $columns, $row, $bad, $ignored) = @_;
	my ($column, @wrong) = @{ $BAD{ $bad // '' } // [] };
	my $wrong = pick(@wrong);
	my %text = (%$row, event_time => spell_time($object, $row), price => spell_price($object, $row->{price}), quantity => spell_quantity($object, $row->{quantity}),
		event_type => $ignored ? pick('not wanted', 'Not Wanted', 'scroll') : $object->{event_name}{ $row->{event_type} });
	my @fields;

	$text{$column} = $wrong if defined $column;
	foreach (@$columns)
	{
		my ($name, $part) = @$_;
		my $value = $text{$name} // pick('', '7', 'free text', 'ß');

		# without one of the parts there is none
		$value = $value eq '' ? ($part ? pick('', 1) : '') : $value =~ s/^(.*)-(.*)$/$part ? $2 : $1/er if defined $part;
		push @fields, field($object, $value);
	}
	pop @fields if ($wrong // '') eq 'fewer';
	push @fields, 'x' if ($wrong // '') eq 'more';
	return join($object->{format}{delimiter}, @fields);
}

# What may be wrong with a row; a view has no pieces, and any text is a product.
sub flaws_of
{
	my ($object, $row) = @_;
	my $there = $object->{there};

	return grep {
		my $column = $BAD{$_}[0];
		!defined $column || $there->{$column} && !($column eq 'quantity' && ($object->{constant}{event_type} // $row->{event_type}) eq 'view')
			&& !($column eq 'product_id' && $object->{format}{product_ids})
	} sort keys %BAD;
}

sub add_row
{
	my ($object, $any, $sound) = @_;
	my $there = $object->{there};
	my $row = known_row($object, $any);
	my $ignored = !$sound && $object->{named} && $there->{event_type} && chance(0.1);
	my $bad = !$sound && !$ignored && chance($object->{badness}) ? pick(flaws_of($object, $row)) : undef;

	$object->{ignored}++ if $ignored;
	my $text = row_line($object, $object->{columns}, $row, $bad, $ignored);
	my %known = map { ($_ => $object->{constant}{$_} // ($there->{$_} ? $row->{$_} : '')) } @KNOWN;
	$known{price} = sprintf('%.4f', 250 / 10**$object->{format}{minor_units}) if defined $object->{constant}{price} && $object->{format}{minor_units};
	push @{ $object->{rows} }, { %known, flaw => $bad // '', line => $object->{line} } unless $ignored;
	$object->{content} .= $text . $object->{end};
	$object->{line} += 1 + (() = $text =~ /\n/g);
	return;
}

# --- an object ---

sub packed
{
	my ($content) = @_;
	my $how = pick(qw(plain plain gzip bzip2));
	my $result;

	return $content if $how eq 'plain';
	return gzipped($content) if $how eq 'gzip';
	bzip2(\$content, \$result) or die "bzip2: $Bzip2Error";
	return $result;
}

=pod

=head1 FUNCTIONS

=over

=item format_writer(seed => 17, ...)

A format that is drawn from a seed, for written(). own: names of columns that the format does not know, some of which its files have, under
these names; zone: of its times; naive: there is no format, and files are as without one.

=cut

sub format_writer
{
	my (%writer) = @_;
	my $naive = $writer{naive};

	srand($writer{seed});
	$writer{own} //= [];
	$writer{format} = $naive ? {%NAIVE} : draw_format();
	my $format = $writer{format};
	$format->{time_zone} = $writer{zone} if $writer{zone} && !$naive && $format->{time} !~ /s$/;
	$writer{zone} = $format->{time_zone} // 'UTC';
	$writer{wide} = !$naive && chance(0.15);
	$writer{badness} = pick(0, 0, 0.03, 0.06);
	$writer{named} = !$naive && chance(0.6);
	$writer{end} = pick("\n", "\n", "\r\n");
	$writer{minutes} = !$naive && $format->{time} !~ /s$/ && chance(0.3);
	$writer{halves} = $format->{time} =~ /^[md]/ && chance(0.3);
	$writer{fractions} = !$writer{halves} && chance(0.5);
	# without quotes and backslashes, or with a CR of its own in a field, nothing odd can be said
	$writer{plain} = ($format->{quote} // '') eq 'none';
	draw_events(\%writer);
	$writer{columns} = [ draw_columns(\%writer) ];
	$writer{there} = { map { ($_->[0] => 1) } @{ $writer{columns} } };
	return \%writer;
}

=pod

=item written($writer, $key, @rows)

A file of these rows: a hash with key, content (bytes), rows (hashes of what oracle.known takes, of which flaw is the reason for which one must be rejected;
times are those of the wall clock of zone), ignored (rows that must be passed over), and what the writer has: seed, format (a hash, to be JSON), zone. A row is a hash
of values by known columns, with the time as seconds (and micros) since 2019-10-27 00:00 by that clock. The first is written whole and sound.

=cut

sub written
{
	my ($writer, $key, @rows) = @_;
	my %object = (%$writer, key => $key, content => '', rows => [], ignored => 0, line => 1);
	my $has_header = $writer->{format}{header} // 1;
	my $header = join($writer->{format}{delimiter}, map { field($writer, $_->[2]) } @{ $writer->{columns} });
	# without a header the first row says how many columns there are
	my $sound = !$writer->{whole} || !$has_header;

	if ($has_header)
	{
		foreach ((("# by hand\n") x int rand 2), $header . $object{end}) { $object{content} .= $_; $object{line}++; }
	}
	foreach (@rows)
	{
		add_row(\%object, $_, $sound);
		$sound = 0;
		if ($has_header && chance(0.02)) { $object{content} .= $header . $object{end}; $object{line}++; }
		if (chance(0.02)) { $object{content} .= $object{end}; $object{line}++; }
	}
	my $text = decode('UTF-8', encode('UTF-8', $object{content}));
	my $encoding = $writer->{wide} ? pick('UTF-16LE', 'UTF-16BE') : $writer->{format}{encoding} // 'utf8';
	$object{content} = $writer->{wide} ? encode($encoding, "\x{feff}$text") : encode({ utf8 => 'UTF-8', cp1252 => 'cp1252', latin1 => 'iso-8859-1' }->{$encoding}, $text);
	$object{content} = packed($object{content});
	return \%object;
}

=pod

=item format_object($seed)

A file in a format of its own, as written() returns it; all of its rows may be bad, but for the first one where there is no header.

=cut

sub format_object
{
	my ($seed) = @_;
	my $writer = format_writer(seed => $seed, own => [qw(channel region)], whole => 1);

	return written($writer, "format-$seed.csv", map { any_row($writer) } 1 .. pick(1, 3, int rand 40, 100 + int rand 100));
}

=pod

=item format_literal($object)

Its format as a literal for SQL, in UTF-8.

=cut

sub format_literal
{
	my ($object) = @_;

	return 'NULL' if $object->{naive};
	my $json = JSON::PP->new->utf8->canonical->encode({ %{ $object->{format} }, delimiter => $object->{format}{delimiter} eq "\t" ? 'tab' : $object->{format}{delimiter} });

	return "'" . $json =~ s/'/''/gr . "'";
}

=pod

=item known_load($node, @objects)

Make the oracle anew, and tell it of all rows of these objects. What they count as in dimensions of one's own it knows from the database.

=back

=cut

sub known_load
{
	my ($node, @objects) = @_;
	my $file = $node->basedir . '/known.rows';

	$node->safe_psql('shop', slurp_file(slm_root() . '/test/oracle/oracle.sql'));
	write_file($file, encode('UTF-8', join('', map {
		my $object = $_;
		my @of_object = ($object->{zone}, $object->{source} // $object->{seed}, $object->{key}, $object->{format}{product_ids} ? 't' : 'f');
		map { join(',', map { '"' . s/"/""/gr . '"' } @of_object, @$_{ qw(line flaw), @KNOWN }) . "\n" } @{ $object->{rows} }
	} @objects)));
	$node->safe_psql('shop', sprintf("INSERT INTO oracle.object (object) VALUES %s; COPY oracle.known (zone, source, object, texts, line, flaw, %s) FROM '%s' (FORMAT csv, ENCODING 'UTF8')",
		join(', ', map { "('$_->{key}')" } @objects), join(', ', @KNOWN), $file));
	$node->safe_psql('shop', 'SELECT oracle.know_own(); SELECT oracle.take_known()');
	unlink $file;
	return;
}

1;
