
=pod

=head1 NAME

SlmFormats - files in formats of their own, made of known rows

=head1 SYNOPSIS

  my $object = format_object(17);                 # seed 17
  write_object("$dir/17", $object->{key}, $object->{content});
  $node->safe_psql('shop', "SELECT sellometer_add_source('17', 'file://$dir/17/', format => " . format_literal($object) . ')');

=head1 WHAT IS RANDOM

From the seed come the format and the rows: names or numbers of columns, what is constant or joined, what events are called and which are
passed over, delimiter, quotes, escapes, line ends, encoding, forms of times and their zone, decimal commas, thousands, minor units,
columns without a role, comments, a header that comes again, packing. Some rows are bad, each by one known reason.

What must come of it is known from what was drawn, never by reading what was written. Times of a zone are known as its wall clock shows
them, between 00:00 and 04:30 on the day on which Europe's clocks go back: SQL turns them into UTC.

=cut

package SlmFormats;

use strict;
use utf8;
use warnings FATAL => 'all';

use Encode qw(decode encode);
use Exporter 'import';
use IO::Compress::Bzip2 qw(bzip2 $Bzip2Error);
use JSON::PP;
use SlmRandom;
use SlmTest qw(gzipped);

our @EXPORT = qw(format_object format_literal format_rows);

my @REQUIRED = qw(event_time event_type product_id price);
my @OPTIONAL = qw(category_id category_code brand user_id user_session event_id);
my @ALL = qw(event_time event_type product_id category_id category_code brand price user_id user_session event_id);
my %EVENTS = (view => [ 'view', 'View', 'page_view', 'Product Viewed' ], cart => [ 'cart', 'addtocart', 'add_to_cart' ],
	remove_from_cart => [ 'remove_from_cart', 'Removed!' ], purchase => [ 'purchase', 'transaction', 'order', 'Käufe' ]);
my $DAY = 1572134400;	# 2019-10-27

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
	my $number = 0;
	my @columns;

	foreach my $role (@REQUIRED, @roles)
	{
		my $constant = { event_type => 'purchase', price => $object->{format}{minor_units} ? '250' : '2', brand => 'all of one', category_code => 'toys' }->{$role};

		if (defined $constant && chance(0.15)) { $format->{constants}{$role} = $object->{constant}{$role} = $constant; }
		elsif ($role =~ /^(user_session|event_id)$/ && chance(0.3)) { push @columns, [ $role, 0 ], [ $role, 1 ]; }
		else { push @columns, [$role]; }
	}
	@columns = shuffled(@columns, map { ["note$_"] } 1 .. int rand 3);
	foreach my $column (@columns)
	{
		my ($role, $part) = @$column;

		$number++;
		$column->[2] = $role =~ /^note/ ? pick($role, 'Ünit', $object->{plain} ? '' : "a;b,c|d $number", '') : !defined $part && chance(0.3) ? pick($role, uc $role) : "$role of mine$number";
		next if $role =~ /^note/ || (lc $column->[2] eq $role && ($format->{header} // 1));
		my $says = !($format->{header} // 1) || chance(0.1) ? $number : pick($column->[2], " \U$column->[2] ");
		if (defined $part) { $format->{columns}{$role}[$part] = $says; } else { $format->{columns}{$role} = $says; }
	}
	return @columns;
}

# --- rows ---

# As it is to be counted, and as its wall clock has it.
sub known_row
{
	my ($object) = @_;
	my $seed = $object->{seed};
	my $second = int rand 4.5 * 3600;
	my $micros = pick(0, 0, 0, 1, 123_456, 500_000);

	# what the way in which the time is written can't say
	$second -= $second % 60 if $object->{minutes};
	$micros = 0 if $object->{minutes} || !$object->{fractions};
	$micros -= $micros % 1000 if $object->{format}{time} eq 'ms';
	my %row = (
		second => $second, micros => $micros,
		event_time => sprintf('2019-10-27 %02d:%02d:%02d.%06d', $second / 3600, $second / 60 % 60, $second % 60, $micros),
		event_type => pick(qw(view view view cart remove_from_cart purchase)),
		product_id => $seed * 1000 + int rand 9,
		category_id => pick('', $seed * 1000 + int(rand 3)),
		category_code => pick('', "c$seed", "c$seed.phone", "c$seed.é.b"),
		brand => pick('', "b$seed", "B; $seed, or | and ~", "say \"$seed\" 'x'", "two\nlines $seed", "Ünï $seed", "a\\b $seed"),
		price => sprintf('%d.%04d', pick(0, int rand 9, int rand 2000, int rand 3_000_000), pick(0, 5000, 100 * int rand 100)),
		user_id => pick('', 1 + int rand 99),
		user_session => pick('', map { "f$seed-s$_" } 1 .. 6),
		event_id => pick('', map { "o$seed-$_" } 1 .. 12));

	$row{brand} = "b$seed" if $object->{plain};
	$row{price} = int($row{price} * 10**$object->{format}{minor_units} + 0.001) / 10**$object->{format}{minor_units} if defined $object->{format}{minor_units};
	$row{price} = sprintf('%.4f', $row{price});
	return \%row;
}

# --- how values are written ---

sub spell_time
{
	my ($object, $row) = @_;
	my $form = $object->{format}{time};
	my ($h, $m, $s) = map { int } $row->{second} / 3600, $row->{second} / 60 % 60, $row->{second} % 60;
	my $fraction = $row->{micros} ? sprintf('.%06d', $row->{micros}) =~ s/0+$//r : '';
	my $half = $object->{halves} ? ($h < 12 ? ' AM' : ' pm') : '';
	my $hour = $half eq '' ? $h : ($h % 12) || 12;
	my $clock = sprintf($form eq 'iso' ? '%02d:%02d' : '%d:%02d', $hour, $m) . ($object->{minutes} ? '' : sprintf(':%02d', $s) . $fraction) . $half;

	return $DAY + $row->{second} . $fraction if $form eq 's';
	return ($DAY + $row->{second}) * 1000 + $row->{micros} / 1000 if $form eq 'ms';
	return ($DAY + $row->{second}) * 1_000_000 + $row->{micros} if $form eq 'us';
	return pick("2019-10-27 $clock", "2019/10/27 $clock", "20191027T$clock") if $form eq 'iso';
	return ($form eq 'mdy' ? pick('10/27/2019', '10-27-19') : pick('27.10.2019', '27/10/19')) . " $clock";
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

my %BAD = (
	bad_time => [ 'event_time', 'yesterday', '99/99/2019', '2019-13-45 00:00', 'x' ],
	bad_price => [ 'price', 'free', '-5', '1,2,3.4.5', '1..2' ],
	bad_product_id => [ 'product_id', 'x-7', '7.5', '' ],
	bad_event_type => [ 'event_type', '' ],
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
	my %text = (%$row, event_time => spell_time($object, $row), price => spell_price($object, $row->{price}),
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

sub add_row
{
	my ($object, $columns) = @_;
	my %there = map { ($_->[0] => 1) } @$columns;
	my $row = known_row($object);
	my $ignored = $object->{named} && $there{event_type} && chance(0.1);
	my @reasons = grep { !defined $BAD{$_}[0] || $there{ $BAD{$_}[0] } } sort keys %BAD;
	my $bad = !$ignored && chance($object->{badness}) ? pick(@reasons) : undef;

	$object->{ignored}++ if $ignored;
	my $text = row_line($object, $columns, $row, $bad, $ignored);
	my %known = map { ($_ => $object->{constant}{$_} // ($there{$_} ? $row->{$_} : '')) } @ALL;
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

=item format_object($seed)

A hash: seed, key, content (bytes), format (a hash, to be JSON), rows (hashes of what oracle.raw takes, of which flaw is the reason for which one
must be rejected; times are those of the wall clock of zone), ignored (rows that must be passed over), zone.

=cut

sub format_object
{
	my ($seed) = @_;
	my %object = (seed => $seed, key => "format-$seed.csv", content => '', rows => [], ignored => 0, line => 1);

	srand($seed);
	$object{format} = draw_format();
	my $format = $object{format};
	my $wide = chance(0.15);
	$object{zone} = $format->{time_zone} // 'UTC';
	$object{badness} = pick(0, 0, 0.03, 0.06);
	$object{named} = chance(0.6);
	$object{end} = pick("\n", "\n", "\r\n");
	$object{minutes} = $format->{time} !~ /s$/ && chance(0.3);
	$object{halves} = $format->{time} =~ /^[md]/ && chance(0.3);
	$object{fractions} = !$object{halves} && chance(0.5);
	# without quotes and backslashes, or with a CR of its own in a field, nothing odd can be said
	$object{plain} = ($format->{quote} // '') eq 'none';
	draw_events(\%object);
	my @columns = draw_columns(\%object);
	my $has_header = $format->{header} // 1;
	my $header = join($format->{delimiter}, map { field(\%object, $_->[2]) } @columns);

	if ($has_header)
	{
		foreach ((("# by hand\n") x int rand 2), $header . $object{end}) { $object{content} .= $_; $object{line}++; }
	}
	foreach (1 .. pick(1, 3, int rand 40, 100 + int rand 100))
	{
		add_row(\%object, \@columns);
		if ($has_header && chance(0.02)) { $object{content} .= $header . $object{end}; $object{line}++; }
		if (chance(0.02)) { $object{content} .= $object{end}; $object{line}++; }
	}
	my $text = decode('UTF-8', encode('UTF-8', $object{content}));
	my $encoding = $wide ? pick('UTF-16LE', 'UTF-16BE') : $format->{encoding} // 'utf8';
	$object{content} = $wide ? encode($encoding, "\x{feff}$text") : encode({ utf8 => 'UTF-8', cp1252 => 'cp1252', latin1 => 'iso-8859-1' }->{$encoding}, $text);
	$object{content} = packed($object{content});
	return \%object;
}

=pod

=item format_literal($object)

Its format as a literal for SQL, in UTF-8.

=cut

sub format_literal
{
	my ($object) = @_;
	my $json = JSON::PP->new->utf8->canonical->encode({ %{ $object->{format} }, delimiter => $object->{format}{delimiter} eq "\t" ? 'tab' : $object->{format}{delimiter} });

	return "'" . $json =~ s/'/''/gr . "'";
}

=pod

=item format_rows(@objects)

All their rows as CSV in UTF-8 for C<COPY (zone, object, line, flaw, …)>, all columns in the usual order.

=back

=cut

sub format_rows
{
	my @objects = @_;

	return encode('UTF-8', join('', map {
		my $object = $_;
		map { join(',', map { '"' . s/"/""/gr . '"' } $object->{zone}, $object->{key}, @$_{ qw(line flaw), @ALL }) . "\n" } @{ $object->{rows} }
	} @objects));
}

1;
