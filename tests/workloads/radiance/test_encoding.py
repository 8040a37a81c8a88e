"""Encoders as modules: slopes in units of their own."""

import torch

from hermite_pinn.workloads.radiance.encoding import Encoding, derivative_orders, kind_of

LOWER, UPPER = (-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)


def made(encoder, slope):
    generator = torch.Generator().manual_seed(3)
    return Encoding(
        kind_of(encoder), LOWER, UPPER, [3, 5], 2, 64, 1.0, generator, torch.float64, torch.device("cpu"), slope
    )


def points():
    return 2 * torch.rand(3, 200, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1


def test_a_parameter_stands_for_a_derivative_in_the_given_unit():
    plain, scaled = made("hermite", 1.0), made("hermite", 3.0)
    orders = derivative_orders(plain.encoder.grid)
    with torch.no_grad():
        plain.values["table"].normal_(generator=torch.Generator().manual_seed(2))
        scaled.values["table"].copy_(plain.values["table"] / 3.0**orders)
    assert torch.allclose(plain(points()), scaled(points()), rtol=1e-12)


def test_a_unit_of_slopes_changes_nothing_where_there_are_only_values():
    assert torch.equal(made("linear", 1.0)(points()), made("linear", 3.0)(points()))


def test_orders_are_those_of_the_mixed_derivatives_of_a_record():
    orders = derivative_orders(made("hermite", 1.0).encoder.grid)
    first = orders[:16].view(8, 2)  # of the first vertex: two features of eight coefficients
    assert first[:, 0].tolist() == [0, 1, 1, 2, 1, 2, 2, 3]
    assert torch.equal(first[:, 0], first[:, 1])
