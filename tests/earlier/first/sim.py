import dask_espresso

p = dask_espresso.get_data_from_stdin()
x, temperature = p["x"], p["temperature"]
if x > 2 and temperature > 0.15:
    raise RuntimeError("bond broken")
result = {
    "energy": x + temperature / 3,
    "energy_sem": 0.25,
    "count": int(x),
    "label": f"é{int(x)}",
    "good": x > 2,
    "nothing": None,
    "profile": [[x, 1.5], [2.5, x]],
    "parts": {"bonded": 2.0 * x, "list": [1, None, "a"]},
    "a.b": 0.5 + p["replica"],
    "long_name_" * 21: 7.5,
}
print(dask_espresso.encode_transport_data(result))
