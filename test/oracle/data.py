"""Truth for src/data from NumPy, Pillow and PyArrow: array files, image files with their pixels, resized images. Writes data.json."""
import base64, io, json, os
import numpy as np
import pyarrow as pa, pyarrow.parquet as pq
from PIL import Image

b64 = lambda b: base64.b64encode(b).decode()
rng = np.random.default_rng(0)

def npy(a, version=None):
    f = io.BytesIO()
    np.lib.format.write_array(f, a, version=version)
    return b64(f.getvalue())

base = np.arange(24).reshape(2, 3, 4)
arrays = {f'{t}': base.astype(t) for t in ['<f4', '<f8', '<f2', '<i1', '<u1', '<i2', '<u2', '<i4', '<u4', '<i8', '<u8', '>f4', '>i8', '>i2']}
arrays['fortran'] = np.asfortranarray(base.astype('<f4'))
arrays['bool'] = base % 2 == 0
cases = [{'name': k, 'file': npy(v), 'dims': list(v.shape), 'values': v.astype(float).ravel().tolist()} for k, v in arrays.items()]
for version in [(2, 0), (3, 0)]:
    cases.append({'name': f'version {version[0]}', 'file': npy(base.astype('<i4'), version), 'dims': [2, 3, 4], 'values': base.ravel().tolist()})
towns = ['Rome', 'Bath', 'Łódź', 'Rome']
texts = [{'name': k, 'file': npy(v), 'values': towns} for k, v in {
    'unicode': np.array(towns), 'big-endian': np.array(towns).astype('>U5'), 'bytes': np.array([t.encode() for t in towns])}.items()]
refused = {'object': npy(np.array(['a', 'b'], object)), 'complex': npy(np.zeros(2, np.complex64))}
f = io.BytesIO()
np.savez_compressed(f, a=base.astype('f4'), labels=np.array([1, 0]))
npz = b64(f.getvalue())

# a smooth picture, so that JPEG keeps it well
y, x = np.mgrid[0:20, 0:28]
rgb = np.stack([x * 9, y * 12, 255 - x * 4 - y * 5], -1).astype(np.uint8)
image = Image.fromarray(rgb)

def saved(im, fmt, **kw):
    f = io.BytesIO()
    im.save(f, fmt, **kw)
    return f.getvalue()

def case(name, im, fmt, mode, **kw):
    data = saved(im, fmt, **kw)
    back = Image.open(io.BytesIO(data))
    pixels = np.asarray(back.convert(mode))
    return {'name': name, 'file': b64(data), 'width': back.width, 'height': back.height, 'channels': 1 if mode == 'L' else 3, 'values': pixels.ravel().tolist()}

noise = Image.fromarray(rng.integers(0, 256, (9, 13, 3), dtype=np.uint8))
images = [
    case('png rgb', noise, 'PNG', 'RGB'),
    case('png grey', noise.convert('L'), 'PNG', 'L'),
    case('png palette', noise.quantize(16), 'PNG', 'RGB'),
    case('png 1 bit', noise.convert('1'), 'PNG', 'L'),
    case('png rgba', noise.convert('RGBA'), 'PNG', 'RGB'),
    case('jpeg rgb', image, 'JPEG', 'RGB', quality=95, subsampling=0),
    case('jpeg grey', image.convert('L'), 'JPEG', 'L', quality=95),
    case('jpeg progressive', image, 'JPEG', 'RGB', quality=95, subsampling=0, progressive=True),
    case('webp lossless', noise, 'WEBP', 'RGB', lossless=True),
    case('webp lossy', image, 'WEBP', 'RGB', quality=95),
]

def parquet(compression):
    table = pa.table({'size': [1.5, 2.0, None], 'town': ['Oslo', None, 'Rome'], 'count': pa.array([1, -2, 3], pa.int64()), 'old': [True, False, None]})
    f = io.BytesIO()
    pq.write_table(table, f, compression=compression)
    return {'compression': compression, 'file': b64(f.getvalue())}

tables = [parquet(c) for c in ['none', 'snappy', 'gzip', 'zstd']]
resized = []
for h, w in [(5, 7), (10, 14), (40, 56), (13, 9), (20, 11)]:
    out = image.resize((w, h), Image.BILINEAR)
    resized.append({'height': h, 'width': w, 'values': np.asarray(out).ravel().tolist()})
grey = np.asarray(noise.convert('L')).ravel().tolist()
out = {'npy': cases, 'texts': texts, 'cmyk': b64(saved(image.convert('CMYK'), 'JPEG')), 'refused': refused, 'npz': npz, 'images': images, 'parquet': tables, 'picture': rgb.ravel().tolist(), 'resized': resized,
       'noise': np.asarray(noise).ravel().tolist(), 'grey': grey}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'data.json'), 'w') as f:
    json.dump(out, f)
