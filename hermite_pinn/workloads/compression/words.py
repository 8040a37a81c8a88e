"""The dictionary with which the text of a compressed field is deflated: what most of them say.

It is a part of version 2 of the format, and never changes; another one needs another version.
"""

from __future__ import annotations

__all__ = ["WORDS"]

_PARTS = (
    '{"kind":"solution","meta":{"domain":{"x":[-1.0,1.0],"y":[-1.0,1.0],"z":[-1.0,1.0],"t":[0.0,1.0]},'
    '"periodic":[true,true,false,false,false],"field":{"axes":["x","y","z","t"],"names":["u","v","w","p"],"encoder":',
    '{"name":"hermite","layout":"[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [[16, 16, 16], [32, 32, 32], [64, 64], [128, 128]], '
    '\\"cubic\\", \\"quintic\\", \\"septic\\", 1, null, [false, false, false]]","inner":{"name":"factored","summed":true},',
    '"head":{"name":"linear"},"head":{"name":"siren","omega":1.0,"activation":"silu"}},"shapes":null,"boundary":[],'
    '"status":"MAX_TIME","status":"MAX_LEVELS","status":"STALLED","status":"COMPLETED","status":"CONVERGED",'
    '"message":"estimated relative error 1.0e-07 <= 1e-06",'
    '"message":"levels, coefficients","parameters":{},"stats":{"method":"gauss_newton","method":"adam","seconds":0.4,'
    '"compile_seconds":0,"compile_seconds":0.0,"steps":3,"seconds_per_step":0.1,"peak_memory":333828096,'
    '"parameters":13488,"reachable":13488,"device":"cpu","dtype":"float32","dtype":"float64","threads":1,"seed":0,'
    '"rank":0,"ranks":1,"versions":{"hermite_pinn":"0.1.0","python":"3.11.7","torch":"2.13.0+cpu","numpy":"2.4.6",'
    '"scipy":"1.17.1"},"residual_scales":{"pde":1.0},"quality":{"band":0.01,"value_rms":0.001,"gradient_mae":0.01,'
    '"gradient_rms":0.01,"eikonal_rms":0.01,"box_value_rms":0.001,"wrong_sign":0.0},"inner_steps":10,',
    '"basis":"cubic","basis":"quintic","basis":"septic","resolution":[24,24],"points":14400,"slabs":1,',
    '"precision":"float64","memory_estimate":3157915.2,"face_residuals":{"u on boundary":{"t-":0.0,"t+":0.0,"z-":0.0,'
    '"z+":0.0,"x-":0.0,"x+":1.0e-17,"y-":0.0,"y+":1.0e-17}}},"residuals":{"pde":0.001,"u on boundary":1.0e-17,'
    '"u on initial":1.0e-17},"estimated_error":1.0e-08,"title":"","settings":{"problem":"Problem',
    " on Box(x=(0, 1), y=(0, 1), z=(0, 1), t=(0, 1))\\n  pde: 0 = u.t + u.xx + u.yy + u.zz - sin(3.14159*x)*sin(3.14159*y)*cos("
    "\\n  u on boundary (exact on a dense Hermite grid)\\n  u on initial (penalty)",
    '","parts":{"the domain":{"digest":"","text":"Box(x=(0, 1), y=(0, 1))"},"the fields":{"digest":"","text":"(\'u\',)"},',
    '"the periodic axes":{"digest":"9f8d53705e86707c5723bb8615acea81","text":"()"},"the gauges":{"digest":'
    '"9f8d53705e86707c5723bb8615acea81","text":"()"},"max_order":{"digest":"ae124f4269c4dfbf7126d7ccf0fb3234","text":"2"},'
    '"the equation \'pde\'":{"digest":"","text":"0 = "},"the condition \'u on boundary\'":{"digest":'
    '"3e4582a2ef65898974a1782c35132085","text":"0 = u"},"the condition \'u on initial\'":{"digest":"","text":"0 = u - "},'
    '"the order of equations and conditions":{"digest":"ce9d65aab7907acf290c8fc2484ce0c2","text":"pde, u on boundary"}},',
    '"method":"gauss_newton","options":{"gauss":null,"inner_tol":null,"inner_steps":3000,"outer_steps":40,"damping":0.001,'
    '"max_levels":16,"max_unknowns":null,"inner":"auto","slabs":"auto","precision":"auto","basis":"auto","refine":"auto"},',
    '"field":null,"levels":null,"seed":0,"dtype":null},"history":661,"coding":{"name":"grouped","weights":[],',
    '"coding":{"name":"nested","scales":[1.0e-07]},"tensors":{"encoder/table":[10000],"head/layers/0/weight":[64,64],'
    '"head/layers/0/bias":[64]},"dtype":"float64","arrays":{},"compression":{"tol":1e-06,"error":{"u":9.7e-07},',
    '"level_errors":[1.0,0.1,0.01,9.7e-07],"uncompressed":107904}},"blocks":[',
    '{"kind":"radiance field on an octree","meta":{"setting":{"lower":[-1.0,-1.0,-1.0],"upper":[1.0,1.0,1.0],',
    '"background":[1.0,1.0,1.0],"alpha":false,"inside":false,"pixels":100},"networks":{"name":"instant_ngp","options":{',
    '"encoder":"linear","levels":8,"coarsest":16,"finest":256,"features":2,"table_size":32768,"spread":0.0001,"width":64,',
    '"hidden":16,"density":1.0,"samples":16384,"cells":64,"cascades":1,"march_steps":128,"cone":0.0,"finer":2,"near":0.0,',
    '"update_every":16,"warmup":16,"update_share":0.125,"fade":0.8,"background":"constant","rate":0.02,"rate_end":0.1,',
    '"decay":1e-06,"least":0.0001,"compaction":true}},"features":16,"cameras":{"kinds":[{"width":100,"height":100,"fl_x":',
    '"fl_y":,"cx":50.0,"cy":50.0,"lens":"perspective","distortion":{"k1":0.0,"k2":0.0,"k3":0.0,"p1":0.0,"p2":0.0}}],',
    '"kind":[0,0,0,0,0,0,0,0]},{"kind":"field on an octree","meta":{"box":{"x":[0.0,1.0],"y":[0.0,1.0],"z":[0.0,1.0]},',
    '"names":["d"],"names":["value"],"periodic":[false,false,false],"title":"distance to a surface","title":"picture",',
    '"title":"radiance field","coarsest":[16,16,16],"decoder":{"features":16,"width":64,"depth":1,"activation":"silu",',
    '"omega":1.0,"basis":"linear"},"code":{"name":"vectors","bits":6},"scores":[{"iou":0.99,"value_rms":0.001,',
    '"gradient_mae":0.01},{"psnr":30.0}],"before":1756352},"blocks":[["poses",0,1920,"],["network",0,2242,"],["cells 1",0,',
    '"],["codebook 0",0,2048,"],["indices 0",0,"],["cells 2",0,"],["cells 3",3,"],["codebook 3",3,2048,"],["indices 3",3,"]]}',
    '["level 1",0,263,"],["level 2",1,652,"],["level 3",2,1558,"],["level 4",3,2982,"],["level 5",4,"],["history",3,335,"]]}',
)

#: The bytes.
WORDS = "".join(_PARTS).encode()
