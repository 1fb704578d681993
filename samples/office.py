"""What the Office and mail samples say. Our own writing, like everything in this folder."""

MINUTES = {
    "title": "Acta de reunión de obra N.º 41",
    "author": "Lorena Pizarro",
    "blocks": [
        ("text", "Proyecto Torre Norte. Documento 200076-CCC02-AC-GE-000041. Reunión del jueves 12 de noviembre de 2026, "
                 "de 9:00 a 10:35 horas, en la sala de reuniones de la instalación de faenas."),
        ("heading", "Asistentes"),
        ("table", [
            ["Nombre", "Empresa", "Cargo"],
            ["Marcela Rivas", "Constructora Andamar", "Administradora de obra"],
            ["Tomás Echeverría", "Constructora Andamar", "Jefe de calidad"],
            ["Lorena Pizarro", "Vértice Inspección", "Inspectora jefe"],
            ["Beatriz Contreras", "Estudio Labrador", "Arquitecta de proyecto"],
            ["Pablo Urrutia", "Constructora Andamar", "Coordinador de instalaciones"],
        ]),
        ("heading", "1. Avance y programa"),
        ("text", "La estructura presenta seis días de atraso por las lluvias de octubre. La constructora propone recuperar "
                 "el plazo con un segundo turno de enfierradores desde el 23 de noviembre. La fecha de término "
                 "contractual se mantiene: 30 de septiembre de 2027."),
        ("text", "El izaje del primer módulo del muro cortina del piso 5 queda fijado para el 3 de diciembre."),
        ("heading", "2. Calidad"),
        ("bullet", "Se rechazaron dos camiones de hormigón el 5 de noviembre por llegar con 33 °C."),
        ("bullet", "El ensayo a 28 días de los pilares del piso 4 dio 54,6 MPa en promedio; se acepta."),
        ("bullet", "Queda abierta la no conformidad NC-018: nidos de piedra en el muro del eje 9, segundo subterráneo. "
                   "Se repara con mortero de reparación estructural R4 antes del 27 de noviembre."),
        ("heading", "3. Seguridad y vecinos"),
        ("text", "Se cumplen 143 días sin accidentes con tiempo perdido. El anexo del hospital reclamó por ruido antes de "
                 "las 8:00; desde el 16 de noviembre los martillos demoledores se usan solo entre las 10:00 y las 13:00."),
        ("heading", "4. Instalaciones"),
        ("text", "El taller de ductos repara su línea de plegado y promete normalizar las entregas el 24 de noviembre. "
                 "Pablo Urrutia presenta un plan con un segundo proveedor si no se cumple."),
        ("heading", "5. Compromisos"),
        ("table", [
            ["N.º", "Compromiso", "Responsable", "Fecha"],
            ["41.1", "Emitir la revisión 4 del cuadro de puertas", "Beatriz Contreras", "20-11-2026"],
            ["41.2", "Cerrar la no conformidad NC-018", "Tomás Echeverría", "27-11-2026"],
            ["41.3", "Enviar el programa de recuperación de plazo", "Marcela Rivas", "18-11-2026"],
            ["41.4", "Instalar sonómetro en el deslinde poniente", "Marcela Rivas", "16-11-2026"],
            ["41.5", "Aprobar las muestras de granito del vestíbulo", "Lorena Pizarro", "25-11-2026"],
        ]),
        ("text", "Próxima reunión: jueves 26 de noviembre de 2026 a las 9:00 horas, en el mismo lugar."),
    ],
}

SCHEDULE = {
    "Doors": [
        ["Type", "Location", "Quantity", "Leaf (mm)", "Material", "Fire rating (min)", "Acoustic (dB)", "Hardware", "Supplier"],
        ["P-01", "Main entrance, level 1", 2, "revolving, 3600", "glass and stainless steel", "none", 32, "automatic drive, night shield", "Girotec"],
        ["P-02", "Stair 1 and 2, levels 1 to 22", 88, "1000 x 2100", "steel, painted RAL 7016", 60, 30, "panic bar, closer, hold-open magnet", "Metalfuego"],
        ["P-03", "Meeting rooms", 64, "900 x 2400", "glass in aluminium frame", "none", 38, "lever handle, floor seal", "Divide"],
        ["P-04", "Toilets", 132, "800 x 2100", "HPL on timber", "none", 25, "lever handle, closer", "Maderas Lenca"],
        ["P-05", "Plant room, level 22", 6, "2 x 1200 x 2400", "steel, insulated", 90, 45, "espagnolette, closer", "Metalfuego"],
        ["P-06", "Generator enclosure", 2, "2 x 1100 x 2300", "steel, insulated", 120, 52, "panic bar, three-point lock", "Metalfuego"],
        ["P-07", "Electrical shafts", 44, "800 x 2000", "steel, painted RAL 9010", 30, 28, "cylinder, master key E", "Metalfuego"],
        ["P-08", "Car park lobbies", 12, "1000 x 2100", "steel with glazed panel", 60, 30, "closer, access card reader", "Metalfuego"],
    ],
    "Equipment": [
        ["Tag", "Equipment", "Manufacturer", "Model", "Capacity", "Power (kW)", "Weight (kg)", "Location", "Delivery"],
        ["CH-01", "Centrifugal chiller", "Frigomar", "MB-880", "880 kW", 142, 6800, "Plant room, level 22", "2027-02-15"],
        ["CT-01", "Cooling tower", "Airon", "OT-1200", "1150 kW", 15, 4100, "Roof deck", "2027-02-22"],
        ["HP-01", "Heat pump", "Frigomar", "AW-420", "420 kW", 131, 3950, "Roof deck", "2027-03-01"],
        ["AHU-22-1", "Air handling unit", "Ventalis", "VR-185", "18500 m3/h", 22, 2700, "Plant room, level 22", "2027-01-25"],
        ["GE-01", "Diesel generator", "Potentia", "D1250", "1250 kVA", 1000, 11200, "Loading dock", "2027-04-12"],
        ["FP-01", "Electric fire pump", "Hidroval", "HSC-750", "750 gpm", 112, 1450, "Basement 3", "2026-12-14"],
        ["UPS-01", "Modular UPS", "Potentia", "M200", "200 kVA", 200, 980, "Level 4", "2027-05-03"],
        ["BMU-01", "Building maintenance unit", "Altura", "RX-28", "240 kg", 7.5, 9300, "Roof deck", "2027-06-07"],
    ],
}

# title, points, speaker notes
BRIEFING = [
    ("Safety briefing: work at height", ["Torre Norte, week 47 of 2026", "Constructora Andamar, safety department"], ""),
    ("Why we talk about it today", [
        "Three near misses in October, all at slab edges of levels 5 and 6",
        "One guard rail was taken away for a crane delivery and not put back for four hours",
        "No injury, but a clamp fell 14 m into the fenced area",
    ], "Ask the crew who saw the clamp fall to tell it in their own words."),
    ("Edge protection", [
        "Guard rails at 1.10 m, mid rail at 0.55 m, toe board of 15 cm",
        "Only the scaffolding crew takes a rail away, with a permit of at most two hours",
        "Openings up to 1 m are covered with plywood of 18 mm, nailed and painted orange",
        "Catch nets every three floors, cleared of rubble each Friday",
    ], ""),
    ("Harness and lifelines", [
        "Full harness with double lanyard and shock absorber above 1.80 m",
        "Check stitching and label before each shift; a harness that stopped a fall is destroyed",
        "Anchor points hold 22 kN; never a rebar, a duct or a prop",
        "Free space needed under the anchor: 6.5 m",
    ], "Show the two harnesses that were withdrawn last week."),
    ("Wind and weather", [
        "Above 36 km/h: no panels of formwork or facade are lifted",
        "Above 50 km/h: everyone leaves the open decks",
        "The anemometer on the tower crane is read at 8:00, 11:00 and 15:00",
    ], ""),
    ("Rescue", [
        "A suspended person has to be brought down within 15 minutes",
        "The rescue kit hangs in the red box beside the hoist on levels 3 and 7",
        "Call the control post on radio channel 4 and say level and grid line",
        "Trained rescuers wear a green helmet: there are six on each shift",
    ], "Next rescue drill: Friday 27 November at 10:00."),
]

MAIL = {
    "headers": [
        ("From", "Natalia Bravo <natalia.bravo@andamar.example>"),
        ("To", "Lorena Pizarro <lorena.pizarro@vertice.example>"),
        ("Cc", "Marcela Rivas <marcela.rivas@andamar.example>"),
        ("Date", "Tue, 10 Nov 2026 11:20:00 -0300"),
        ("Subject", "Torre Norte - Oferta de Elevar para los ascensores y programa de montaje"),
        ("Message-ID", "<torre-norte-0047@andamar.example>"),
    ],
    "text": """Estimada Lorena:

Adjunto el programa de montaje de los ascensores que envió el proveedor Elevar.

La oferta considera ocho equipos: seis ascensores de pasajeros de 1.350 kg y 2,5 m/s, un montacargas de 2.000 kg y un ascensor de estacionamientos de 1.000 kg. El precio total es de 41.900 UF más IVA, con un anticipo del 30 %. El plazo de fabricación de las cabinas es de 22 semanas desde la orden de compra.

Los rieles llegaron al puerto el 9 de noviembre y pueden quedar en el depósito aduanero sin costo hasta el 30 de noviembre. Para no pagar bodegaje necesitamos la aprobación de los planos del pozo antes del 23 de noviembre.

Elevar pide además que la sobrepasada del último piso sea de 4,60 m; en los planos hay 4,45 m. Beatriz Contreras lo está revisando con el ingeniero estructural.

Saludos,
Natalia Bravo
Coordinadora de especialidades
""",
    "attachment_name": "programa-montaje-ascensores.csv",
    "attachment": """Equipo,Uso,Inicio del montaje,Puesta en marcha,Cuadrilla
AS-1,Pasajeros,2027-03-08,2027-06-18,A
AS-2,Pasajeros,2027-03-15,2027-06-25,A
AS-3,Pasajeros,2027-03-29,2027-07-09,B
AS-4,Pasajeros,2027-04-05,2027-07-16,B
AS-5,Pasajeros,2027-04-19,2027-07-30,C
AS-6,Pasajeros,2027-04-26,2027-08-06,C
MC-1,Montacargas,2027-02-15,2027-05-14,A
AS-7,Estacionamientos,2027-05-10,2027-08-20,B
""",
}
